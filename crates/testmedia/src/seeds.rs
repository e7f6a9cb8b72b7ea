//! The seeds of the fuzz targets, `fuzz/seeds/TARGET/`.

use std::path::PathBuf;

use crate::workspace;

fn folder(target: &str) -> PathBuf {
    workspace().join("fuzz/seeds").join(target)
}

/// One seed of a target.
///
/// # Panics
/// If there is none of that name.
#[must_use]
pub fn seed(target: &str, name: &str) -> Vec<u8> {
    let path = folder(target).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All seeds of a target, in the order of their names.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder(target))
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .unwrap_or_else(|error| panic!("{}: {error}", folder(target).display()));
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    let read = |path: &PathBuf| {
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Gives each seed of a target to its body.
///
/// # Panics
/// If there are none, or the body does.
pub fn replay(target: &str, body: impl Fn(&[u8])) {
    seeds(target).iter().for_each(|seed| body(seed));
}

/// Gives each seed of a target to its body as it is, cut at every byte, and with every bit of its
/// first `most_bytes` bytes turned over.
///
/// # Panics
/// If there are none, or the body does.
pub fn replay_damaged(target: &str, most_bytes: usize, body: impl Fn(&[u8])) {
    for mut seed in seeds(target) {
        for len in 0..=seed.len() {
            body(&seed[..len]);
        }
        for index in 0..seed.len().min(most_bytes) {
            for bit in 0..8 {
                seed[index] ^= 1 << bit;
                body(&seed);
                seed[index] ^= 1 << bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn damage_is_every_cut_and_every_bit() {
        let count = Cell::new(0);
        replay_damaged("aac_asc", 4, |_| count.set(count.get() + 1));
        let cuts_and_bits = |seed: &Vec<u8>| seed.len() + 1 + 8 * seed.len().min(4);
        assert_eq!(count.get(), seeds("aac_asc").iter().map(cuts_and_bits).sum::<usize>());
    }
}
