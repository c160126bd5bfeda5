//! The memory of stores, and the options of RocksDB.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, LogLevel, Options, WriteBufferManager};

const MIB: usize = 1 << 20;

/// Memory shared by all stores of a process: a block cache, which also accounts for write buffers. Cheap to clone.
#[derive(Clone)]
pub struct SharedMemory {
    cache: Cache,
    buffers: WriteBufferManager,
}

impl SharedMemory {
    /// Memory of about `bytes` for all stores that share it; at least 16 MiB.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.max(16 * MIB);
        let cache = Cache::new_lru_cache(bytes);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(bytes * 2 / 5, false, cache.clone());
        Self { cache, buffers }
    }

    /// The number of bytes in use by cached blocks and write buffers.
    pub fn usage(&self) -> usize {
        self.cache.get_usage()
    }
}

impl Default for SharedMemory {
    /// 64 MiB.
    fn default() -> Self {
        Self::new(64 * MIB)
    }
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemory").field("usage", &self.usage()).finish()
    }
}

/// Options for opening a store.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Memory, shared with the other stores of the process.
    pub memory: SharedMemory,
    /// Identifies the layout of the state. A store written with another fingerprint is refused.
    pub fingerprint: String,
}

/// Options for look-ups of single keys, and values of 100 bytes to some kilobytes that are often overwritten.
pub(crate) fn database(memory: &SharedMemory) -> Options {
    // Preallocated logs would take some 20 MB of disk for each task, however little it holds.
    let options = Options::default().get_options_from_string("allow_fallocate=false");
    let mut options = options.expect("RocksDB knows the option");
    options.create_if_missing(true);
    options.set_block_based_table_factory(&tables(memory));
    options.set_compression_type(DBCompressionType::Lz4);

    // A buffer is flushed when it is full, or when those of the process exceed their share of the memory.
    options.set_write_buffer_manager(&memory.buffers);
    options.set_write_buffer_size(16 * MIB);
    // What an empty buffer takes. A process may have hundreds of stores; together they have to leave room for contents. With
    // 32 KiB the buffers of 512 stores were flushed all the time.
    options.set_arena_block_size(8 << 10);
    options.set_max_write_buffer_number(3);
    // Limits the log that a restart after a crash has to read.
    options.set_max_total_wal_size(64 << 20);

    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_bytes_for_level_base(64 << 20);
    options.set_target_file_size_base(16 << 20);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);

    // Only one thread writes.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);

    // For a quick opening, and a small log of RocksDB, which could contain keys.
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Error);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn tables(memory: &SharedMemory) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&memory.cache);
    tables.set_block_size(8 << 10);
    tables.set_format_version(5);
    tables.set_bloom_filter(10.0, false);
    tables.set_whole_key_filtering(true);
    tables.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    tables.set_data_block_hash_ratio(0.75);
    // Indexes and filters also count as memory.
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_cache_index_and_filter_blocks_with_high_priority(true);
    tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
    tables.set_optimize_filters_for_memory(true);
    tables
}
