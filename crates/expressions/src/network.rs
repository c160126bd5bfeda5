//! Sets of IP networks, and the network of an address.

use compact_str::{CompactString, format_compact};
use riskstream_events::ip::{AddressBits, address, address_bits, network_range};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of networks: their first and last addresses, in order and apart.
#[derive(Clone, Debug)]
pub(crate) struct Networks(Box<[(AddressBits, AddressBits)]>);

impl Networks {
    /// The networks; of a text that is none, its index and what to write.
    pub(crate) fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, (usize, String)> {
        let ranges = texts.into_iter().enumerate();
        let ranges = ranges.map(|(index, text)| network_range(text).map_err(|help| (index, help)));
        let mut ranges = ranges.collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut apart: Vec<(AddressBits, AddressBits)> = Vec::new();
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
        let address = address_bits(address)?;
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
    pub(crate) fn network_of(self, text: &str) -> Option<CompactString> {
        Some(match address(text)? {
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
