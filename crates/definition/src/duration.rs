//! Durations as they are typed: `90s`, `1h`, `7d`, `1h30m`.

/// Microseconds in each unit.
const UNITS: [(&str, i64); 6] = [
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", HOUR),
    ("d", DAY),
    ("w", 7 * DAY),
];
/// Microseconds of a day.
pub const DAY: i64 = 24 * HOUR;
/// Microseconds of an hour.
pub const HOUR: i64 = 3_600_000_000;
/// A hundred years. Sums of a few durations then fit into 64 bits.
const LONGEST: i64 = 36_525 * DAY;

/// How to write a duration, for messages.
pub const FORM: &str = "write a whole number and a unit: `500ms`, `90s`, `15m`, `1h`, `7d`, `2w` or `1h30m`";

/// Microseconds of a text such as `30d`.
///
/// # Errors
/// A message about the text.
pub fn parse(text: &str) -> Result<i64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration is missing".to_owned());
    }
    if rest == "0" {
        return Ok(0);
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let letters = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |at| digits + at);
        let (number, unit) = (&rest[..digits], &rest[digits..letters]);
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration"));
        }
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit"));
        }
        let Some((_, micros)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit of time"));
        };
        total = number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(*micros))
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| format!("`{text}` is longer than a hundred years"))?;
        rest = &rest[letters..];
    }
    Ok(total)
}

/// The shortest text for a number of microseconds: `7d`, `1h30m`.
pub fn text(micros: i64) -> String {
    if micros == 0 {
        return "0s".to_owned();
    }
    let mut rest = micros;
    let mut text = String::new();
    for (unit, size) in [
        ("d", DAY),
        ("h", HOUR),
        ("m", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1_000),
    ] {
        if rest >= size {
            text += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (typed, expected) in [
            ("500ms", Ok(500_000)),
            ("90s", Ok(90_000_000)),
            ("15m", Ok(900_000_000)),
            ("1h", Ok(3_600_000_000)),
            ("1h30m", Ok(5_400_000_000)),
            ("7d", Ok(604_800_000_000)),
            ("2w", Ok(1_209_600_000_000)),
            ("0", Ok(0)),
            ("", Err("a duration is missing")),
            ("30", Err("`30` has no unit")),
            ("d", Err("`d` is not a duration")),
            ("-1d", Err("`-1d` is not a duration")),
            ("1y", Err("`y` is not a unit of time")),
            ("1 d", Err("` d` is not a unit of time")),
            (
                "99999999999999999999d",
                Err("`99999999999999999999d` is longer than a hundred years"),
            ),
            ("40000d", Err("`40000d` is longer than a hundred years")),
        ] {
            assert_eq!(parse(typed), expected.map_err(str::to_owned), "{typed}");
        }
    }

    #[test]
    fn texts() {
        for typed in ["1h30m", "7d", "500ms", "1d1h", "90d"] {
            assert_eq!(text(parse(typed).unwrap()), typed);
        }
    }
}
