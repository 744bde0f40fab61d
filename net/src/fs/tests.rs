//! How many calls does a directory cost, and where are the limits of a walk?

use super::chunks::PIECES_PER_HOP;
use super::walk::LEVELS_MAX;
use super::*;
use crate::hop::HOPS;
use crate::testing::run;
use futures_lite::StreamExt;
use std::path::PathBuf;
use tempfile::TempDir;

async fn hops<F: Future>(future: F) -> (usize, F::Output) {
    let before = HOPS.get();
    let output = future.await;
    (HOPS.get() - before, output)
}

fn with_files(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        std::fs::write(folder.path().join(number.to_string()), "").unwrap();
    }
    folder
}

#[test]
fn a_directory_costs_a_call_for_each_chunk() {
    // A chunk that is full does not know that it is the last.
    for (count, calls) in [
        (0, 1),
        (PIECES_PER_HOP - 1, 1),
        (PIECES_PER_HOP, 2),
        (PIECES_PER_HOP + 1, 2),
    ] {
        let folder = with_files(count);
        let listed = run(hops(async {
            let entries = read_dir(folder.path()).await.unwrap();
            entries.map(Result::unwrap).count().await
        }));
        assert_eq!(listed, (calls, count));
        let walked = run(hops(walk(folder.path()).map(Result::unwrap).count()));
        assert_eq!(walked, (calls, count));
    }
}

#[test]
fn a_walk_costs_no_call_for_each_directory() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100 {
        std::fs::create_dir_all(folder.path().join(format!("{number}/a"))).unwrap();
    }
    let (calls, found) = run(hops(walk(folder.path()).map(Result::unwrap).count()));
    assert_eq!((calls, found), (1, 200));
}

#[test]
fn what_is_known_of_an_entry_costs_nothing() {
    let folder = with_files(1);
    let (calls, ()) = run(hops(async {
        let mut entries = read_dir(folder.path()).await.unwrap();
        let entry = entries.next_entry().await.unwrap().unwrap();
        assert!(entry.file_type().await.unwrap().is_file());
        assert!(entries.next_entry().await.unwrap().is_none());
        assert!(entries.next_entry().await.unwrap().is_none());
    }));
    assert_eq!(calls, 1);
}

#[test]
fn there_are_so_many_levels_and_no_more() {
    for (levels, errors) in [(LEVELS_MAX - 1, 0), (LEVELS_MAX, 1), (LEVELS_MAX + 1, 1)] {
        let root = tempfile::tempdir().unwrap();
        let path: PathBuf = std::iter::repeat_n("d", levels).collect();
        std::fs::create_dir_all(root.path().join(path)).unwrap();
        let found: Vec<_> = run(walk(root.path()).collect());
        // The root is a level too.
        let wrong: Vec<_> = found
            .iter()
            .filter_map(|item| item.as_ref().err())
            .collect();
        assert_eq!(wrong.len(), errors, "{levels} levels");
        assert_eq!(found.len() - errors, levels.min(LEVELS_MAX));
        for error in wrong {
            let text = error.to_string();
            assert!(text.contains("/d/d/d: there are too many"), "{text}");
        }
    }
}

#[test]
#[should_panic = "say how to walk before the first entry is asked for"]
fn a_walk_that_has_begun_cannot_be_changed() {
    let mut begun = walk("src");
    run(async { assert!(begun.next().await.is_some()) });
    let _ = begun.max_depth(1);
}
