//! IP addresses and networks. IPv4 addresses that are mapped into IPv6 (`::ffff:192.0.2.1`) count as IPv4.

use compact_str::{CompactString, format_compact};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is of IPv6, and its bits.
type Bits = (bool, u128);

/// A set of networks: their first and last addresses, in order and apart.
#[derive(Clone, Debug)]
pub(crate) struct Networks(Box<[(Bits, Bits)]>);

impl Networks {
    /// The networks; of a text that is none, its index and what to write.
    pub(crate) fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, (usize, String)> {
        let ranges = texts.into_iter().enumerate();
        let ranges = ranges.map(|(index, text)| range(text).map_err(|help| (index, help)));
        let mut ranges = ranges.collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut apart: Vec<(Bits, Bits)> = Vec::new();
        for (first, last) in ranges {
            match apart.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => apart.push((first, last)),
            }
        }
        Ok(Networks(apart.into()))
    }

    /// Whether an address lies in one of them; `None` if the text is no address.
    pub(crate) fn contain(&self, address: &str) -> Option<bool> {
        let address = bits(parse(address)?);
        let after = self.0.partition_point(|(first, _)| *first <= address);
        Some(after > 0 && address <= self.0[after - 1].1)
    }
}

/// How many leading bits of an address name its network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrefixLengths {
    v4: u8,
    v6: u8,
}

impl PrefixLengths {
    /// `None` if one is longer than an address.
    pub(crate) fn new(v4: i64, v6: i64) -> Option<Self> {
        let within = |bits: i64, most: u8| u8::try_from(bits).ok().filter(|bits| *bits <= most);
        Some(PrefixLengths {
            v4: within(v4, 32)?,
            v6: within(v6, 128)?,
        })
    }

    /// The network of an address, as `192.0.2.0/24`; `None` if the text is no address.
    pub(crate) fn network_of(self, address: &str) -> Option<CompactString> {
        Some(match parse(address)? {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                format_compact!("{}/{}", Ipv4Addr::from_bits(address.to_bits() & mask), self.v4)
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                format_compact!("{}/{}", Ipv6Addr::from_bits(address.to_bits() & mask), self.v6)
            }
        })
    }
}

fn parse(address: &str) -> Option<IpAddr> {
    address
        .trim()
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn bits(address: IpAddr) -> Bits {
    match address {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

/// The first and last address of a network. The error says what to write.
fn range(text: &str) -> Result<(Bits, Bits), String> {
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
