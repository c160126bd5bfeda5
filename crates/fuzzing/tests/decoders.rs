//! Every fuzz target over its seeds and thousands of damaged ones, the same in every run.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use riskstream_fuzzing::TARGETS;

/// For each target, unless the variable RISKSTREAM_FUZZ_CASES says otherwise. The number is also the seed of the random numbers.
const CASES: u64 = 10_000;

fn cases() -> u64 {
    std::env::var("RISKSTREAM_FUZZ_CASES").map_or(CASES, |text| text.parse().expect("a number"))
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        for seed in &seeds {
            (target.run)(seed);
        }
        let mut random = ChaCha8Rng::seed_from_u64(cases());
        for _ in 0..cases() {
            let bytes = damaged(&seeds, &mut random);
            let result = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(result.is_ok(), "{}: {:?}", target.name, String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn every_target_has_a_binary_for_libfuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{path}");
        let wrapper = std::fs::read_to_string(format!("{folder}/{path}")).unwrap();
        assert!(
            wrapper.contains(&format!("riskstream_fuzzing::{}(bytes)", target.name)),
            "{path}"
        );
    }
}

/// A seed with one to four defects.
fn damaged(seeds: &[Vec<u8>], random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = seeds.choose(random).expect("every target has seeds").clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(1..12)).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.random()),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let extreme = *[0, 1, 0x7f, 0x80, 0xff].choose(random).expect("not empty");
                bytes[at..end].fill(extreme);
            }
            4 => {
                let other = seeds.choose(random).expect("every target has seeds");
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(1..40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
    bytes
}
