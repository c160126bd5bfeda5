//! The sources of a repartition topic, and a value for each.

/// Partitions of one topic at most. Bounds what a damaged record can make its reader allocate.
pub const MAX_PARTITIONS: u32 = 1 << 17;

const PARTITION_BITS: u32 = 24;

/// A source: a partition of an input; or, behind a stage, a partition of the topic that the stage reads, which then counts as
/// the only input. It stays the same when topics get more partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(u32);

impl SourceId {
    /// The source that reads this partition of the input with this index.
    pub fn new(input: u8, partition: i32) -> SourceId {
        SourceId(u32::from(input) << PARTITION_BITS | partition as u32)
    }

    /// The source with this number, as it is written in records.
    pub fn from_number(number: u32) -> SourceId {
        SourceId(number)
    }

    /// The number that is written in records.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The input that it reads.
    pub fn input(self) -> usize {
        (self.0 >> PARTITION_BITS) as usize
    }

    /// The partition that it reads.
    pub fn partition(self) -> usize {
        (self.0 & ((1 << PARTITION_BITS) - 1)) as usize
    }
}

/// A value for each source of a repartition topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources<T> {
    inputs: Vec<Vec<T>>,
}

impl<T> Default for Sources<T> {
    fn default() -> Sources<T> {
        Sources { inputs: Vec::new() }
    }
}

impl<T> Sources<T> {
    /// Values of the sources of topics with these numbers of partitions, in the order of the sources; `None` if there are
    /// more or fewer values.
    pub fn from_values(counts: &[u32], values: impl IntoIterator<Item = T>) -> Option<Sources<T>> {
        let mut values = values.into_iter();
        let mut inputs = Vec::with_capacity(counts.len());
        for count in counts {
            let partitions: Vec<T> = values.by_ref().take(*count as usize).collect();
            if partitions.len() < *count as usize {
                return None;
            }
            inputs.push(partitions);
        }
        values.next().is_none().then_some(Sources { inputs })
    }

    /// Adds the sources that topics with these numbers of partitions have and that are missing. Returns whether there were any.
    pub fn grow(&mut self, counts: &[u32], value: impl Fn() -> T) -> bool {
        let mut has_grown = false;
        if self.inputs.len() < counts.len() {
            self.inputs.resize_with(counts.len(), Vec::new);
        }
        for (partitions, count) in self.inputs.iter_mut().zip(counts) {
            if partitions.len() < *count as usize {
                partitions.resize_with(*count as usize, &value);
                has_grown = true;
            }
        }
        has_grown
    }

    /// The value of a source; `None` if it is not known.
    pub fn get(&self, source: SourceId) -> Option<&T> {
        self.inputs.get(source.input())?.get(source.partition())
    }

    /// The value of a source, to be changed; `None` if it is not known.
    pub fn get_mut(&mut self, source: SourceId) -> Option<&mut T> {
        self.inputs.get_mut(source.input())?.get_mut(source.partition())
    }

    /// The values of the sources that read this input.
    pub fn of_input(&self, input: u8) -> impl Iterator<Item = &T> {
        self.inputs.get(usize::from(input)).into_iter().flatten()
    }

    /// The values in the order of their sources.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &T)> {
        self.inputs.iter().enumerate().flat_map(|(input, partitions)| {
            let id = move |partition| SourceId::new(input as u8, partition as i32);
            let numbered = partitions.iter().enumerate();
            numbered.map(move |(partition, value)| (id(partition), value))
        })
    }

    /// The values in the order of their sources, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SourceId, &mut T)> {
        self.inputs.iter_mut().enumerate().flat_map(|(input, partitions)| {
            let id = move |partition| SourceId::new(input as u8, partition as i32);
            let numbered = partitions.iter_mut().enumerate();
            numbered.map(move |(partition, value)| (id(partition), value))
        })
    }

    /// The number of partitions of each input.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = u32> {
        self.inputs.iter().map(|partitions| partitions.len() as u32)
    }

    /// Whether no source is known.
    pub fn is_empty(&self) -> bool {
        self.inputs.iter().all(Vec::is_empty)
    }

    /// The same sources with other values.
    pub fn map<U>(&self, mut value: impl FnMut(&T) -> U) -> Sources<U> {
        let of_input = |partitions: &Vec<T>| partitions.iter().map(&mut value).collect();
        Sources {
            inputs: self.inputs.iter().map(of_input).collect(),
        }
    }
}

/// The source that an earlier version has given this number: it counted the partitions of all inputs in their order.
pub fn source_of_earlier_number(number: u32, counts: &[u32]) -> Option<SourceId> {
    let mut partition = number;
    for (input, count) in counts.iter().enumerate() {
        if partition < *count {
            return Some(SourceId::new(input as u8, partition as i32));
        }
        partition -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_keep_their_values_and_numbers_when_topics_grow() {
        let mut sources = Sources::from_values(&[2, 1], ["a", "b", "label"]).unwrap();
        let label = SourceId::new(1, 0);
        assert_eq!(sources.get(label), Some(&"label"));
        assert!(sources.grow(&[4, 1], || "new"));
        assert!(!sources.grow(&[3, 1], || "new"), "a former owner knows fewer");
        assert_eq!(sources.get(label), Some(&"label"));
        let values: Vec<_> = sources.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, ["a", "b", "new", "new", "label"]);
        assert_eq!(sources.counts().collect::<Vec<_>>(), [4, 1]);
        for (id, _) in sources.iter() {
            assert_eq!(SourceId::from_number(id.number()), id);
        }
    }

    #[test]
    fn too_few_or_too_many_values_are_no_sources() {
        assert!(Sources::from_values(&[2], [1]).is_none());
        assert!(Sources::from_values(&[2], [1, 2, 3]).is_none());
        assert_eq!(source_of_earlier_number(4, &[4, 1]), Some(SourceId::new(1, 0)));
        assert_eq!(source_of_earlier_number(5, &[4, 1]), None);
    }
}
