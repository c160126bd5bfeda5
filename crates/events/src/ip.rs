//! IP addresses and networks as texts. IPv4 addresses that are mapped into IPv6 (`::ffff:192.0.2.1`) count as IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is of IPv6, and its bits.
pub type AddressBits = (bool, u128);

/// The address that a text holds, blanks around it aside; `None` if it is none.
pub fn address(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The bits of the address that a text holds; `None` if it is none.
pub fn address_bits(text: &str) -> Option<AddressBits> {
    address(text).map(bits)
}

fn bits(address: IpAddr) -> AddressBits {
    match address {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

/// The first and last address of a network, such as `192.0.2.0/24`. An address alone is the network that holds only it.
///
/// # Errors
/// The text is none; what to write.
pub fn network_range(text: &str) -> Result<(AddressBits, AddressBits), String> {
    let example = || "write a network as in \"192.0.2.0/24\" or \"2001:db8::/32\"".to_owned();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().map_err(|_| example())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(length) => length.parse::<u32>().ok().filter(|n| *n <= most).ok_or_else(example)?,
    };
    let (is_v6, written) = bits(address);
    let rest = 1_u128.checked_shl(most - length).unwrap_or(0).wrapping_sub(1);
    let first = written & !rest;
    if first != written {
        let address: IpAddr = match is_v6 {
            false => Ipv4Addr::from_bits(first as u32).into(),
            true => Ipv6Addr::from_bits(first).into(),
        };
        return Err(format!(
            "the address has bits beyond the prefix: write \"{address}/{length}\""
        ));
    }
    Ok(((is_v6, first), (is_v6, first | rest)))
}
