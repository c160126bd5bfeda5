//! The distance of two places. The trigonometric functions are of the crate `libm`, so that every machine gives the same.

/// The mean radius of the earth in kilometres (IUGG).
const RADIUS: f64 = 6371.0088;

/// The great-circle distance of two places, each given by its latitude and longitude in degrees, on a sphere (the haversine
/// formula). `None` if a latitude lies beyond ±90 or a longitude beyond ±180.
pub(crate) fn haversine_km((lat1, lon1): (f64, f64), (lat2, lon2): (f64, f64)) -> Option<f64> {
    let is_place = |lat: f64, lon: f64| lat.abs() <= 90.0 && lon.abs() <= 180.0;
    if !is_place(lat1, lon1) || !is_place(lat2, lon2) {
        return None;
    }
    let half_sine = |degrees: f64| libm::sin(degrees.to_radians() / 2.0);
    let (lat, lon) = (half_sine(lat2 - lat1), half_sine(lon2 - lon1));
    let cosines = libm::cos(lat1.to_radians()) * libm::cos(lat2.to_radians());
    let square = (lat * lat + cosines * lon * lon).clamp(0.0, 1.0);
    Some(2.0 * RADIUS * libm::asin(square.sqrt()))
}
