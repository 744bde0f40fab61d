use super::class::CELL_BYTES_MAX;
use super::remote::CHAIN_CELLS_MAX;
use super::*;
use crate::sys::mem::{CHUNK_BYTES, SEGMENT_BYTES};
use crate::sys::sync::thread;
use std::collections::HashSet;
use std::sync::mpsc;

/// What a slab may belong to.
#[derive(Debug)]
struct Owner(&'static str);

fn slab() -> Slab<Owner> {
    Slab::new(Arc::new(Owner("test")))
}

fn class(bytes: usize) -> Class {
    Class::for_layout(bytes, 8).expect("small enough")
}

/// Hands out a cell and writes its first word, as a task would.
fn alloc(slab: &Slab<Owner>, class: Class, word: usize) -> NonNull<u8> {
    let cell = slab.alloc(class);
    // SAFETY: a cell has room for a word, and is aligned.
    unsafe { cell.cast::<usize>().write(word) };
    cell
}

fn word_of(cell: NonNull<u8>) -> usize {
    // SAFETY: `alloc` wrote it, and a slab leaves it alone.
    unsafe { cell.cast::<usize>().read() }
}

fn free_all(slab: &Slab<Owner>, cells: impl IntoIterator<Item = NonNull<u8>>) {
    for cell in cells {
        // SAFETY: each was handed out, and is used no more.
        unsafe { slab.free(cell, || ()) };
    }
}

fn chunks(slab: &Slab<Owner>) -> usize {
    slab.chunks.borrow().len()
}

fn live(slab: &Slab<Owner>) -> usize {
    let chunks = slab.chunks.borrow();
    let segments = chunks.iter().flat_map(|&chunk| Chunk::all(chunk));
    // SAFETY: segments live as long as their chunk.
    let live = segments.map(|(_, segment)| unsafe { segment.as_ref() }.live() as usize);
    live.sum()
}

fn cells_seen(slab: &Slab<Owner>) -> Vec<NonNull<u8>> {
    let mut seen = Vec::new();
    // SAFETY: nobody allocates meanwhile.
    unsafe { slab.for_each_cell(|cell| seen.push(cell)) };
    seen
}

/// Enough cells of 64 bytes for several chunks.
fn several_chunks() -> usize {
    5 * CHUNK_BYTES / 64
}

#[test]
fn cells_are_aligned_apart_and_know_their_owner() {
    let slab = slab();
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for bytes in [1, 64, 65, 500, 513, 1100, 2049, CELL_BYTES_MAX] {
        for _ in 0..5 {
            let class = class(bytes);
            let cell = slab.alloc(class);
            let start = cell.as_ptr().addr();
            assert_eq!(start % class::CELL_ALIGN, 0);
            // SAFETY: the cell is ours, and that large.
            unsafe { cell.write_bytes(0xEE, class.bytes()) };
            // SAFETY: the cell is out.
            assert_eq!(unsafe { owner_of::<Owner>(cell) }.0, "test");
            taken.push((start, start + class.bytes()));
        }
    }
    taken.sort_unstable();
    assert!(taken.is_sorted_by(|one, next| one.1 <= next.0));
}

#[test]
fn the_last_freed_is_the_next_handed_out() {
    let slab = slab();
    let cells = [(); 3].map(|()| slab.alloc(class(64)));
    free_all(&slab, cells);
    let again = [(); 3].map(|()| slab.alloc(class(64)));
    assert_eq!(again, [cells[2], cells[1], cells[0]]);
}

#[test]
fn the_first_word_survives_being_free() {
    let slab = slab();
    let cell = alloc(&slab, class(64), 4711);
    free_all(&slab, [cell]);
    assert_eq!(word_of(cell), 4711);
    let other = Slab::new(slab.owner.clone());
    let cell = alloc(&slab, class(64), 815);
    free_all(&other, [cell]);
    other.flush();
    assert_eq!(word_of(cell), 815);
}

#[test]
fn enumeration_sees_each_cell_once_free_or_not() {
    let slab = slab();
    let cells: Vec<_> = (0..several_chunks())
        .map(|n| alloc(&slab, class(64), n))
        .collect();
    free_all(&slab, cells.iter().copied().step_by(2));
    let seen = cells_seen(&slab);
    assert_eq!(seen.len(), cells.len());
    assert_eq!(
        seen.into_iter().collect::<HashSet<_>>(),
        cells.into_iter().collect()
    );
}

#[test]
fn enumeration_may_free_what_it_sees() {
    let slab = slab();
    let cells = 3 * SEGMENT_BYTES / 64;
    for n in 0..cells {
        alloc(&slab, class(64), n);
    }
    let mut seen = 0;
    let free = |cell| {
        seen += 1;
        // SAFETY: handed out above, and used no more.
        unsafe { slab.free(cell, || ()) };
    };
    // SAFETY: nobody allocates meanwhile.
    unsafe { slab.for_each_cell(free) };
    assert_eq!(seen, cells);
    for _ in 0..4 {
        slab.trim();
    }
    assert_eq!(cells_seen(&slab).len(), 0);
}

#[test]
fn foreign_cells_come_home_in_chains() {
    for extra in [0, 1, 2] {
        let [home, away] = [slab(), slab()];
        let count = CHAIN_CELLS_MAX as usize * 2 - 1 + extra;
        let cells: Vec<_> = (0..count).map(|n| alloc(&home, class(64), n)).collect();
        free_all(&away, cells.iter().copied());
        away.flush();
        assert_eq!(live(&home), count);
        home.collect();
        assert_eq!(live(&home), 0);
    }
}

#[test]
fn a_full_outbox_sends_by_itself() {
    let [home, away] = [slab(), slab()];
    let count = CHAIN_CELLS_MAX as usize;
    let cells: Vec<_> = (0..count).map(|n| alloc(&home, class(64), n)).collect();
    free_all(&away, cells[1..].iter().copied());
    assert!(home.home.take_all().is_null());
    free_all(&away, cells[..1].iter().copied());
    assert!(!home.home.take_all().is_null());
}

#[test]
fn a_burst_is_given_back_after_three_periods() {
    let slab = slab();
    let cells: Vec<_> = (0..several_chunks())
        .map(|n| alloc(&slab, class(64), n))
        .collect();
    let peak = chunks(&slab);
    assert!(peak >= 5);
    assert!(slab.has_excess());
    free_all(&slab, cells);
    assert!(slab.trim());
    assert!(slab.trim());
    assert_eq!(chunks(&slab), peak, "kept for a while, for the next burst");
    assert!(!slab.trim());
    assert_eq!(chunks(&slab), 1);
    assert!(!slab.has_excess());
}

#[test]
fn a_burst_freed_elsewhere_is_given_back_too() {
    let [home, away] = [slab(), slab()];
    let cells: Vec<_> = (0..several_chunks())
        .map(|n| alloc(&home, class(64), n))
        .collect();
    free_all(&away, cells);
    away.flush();
    assert!(home.trim());
    assert!(home.trim());
    assert!(!home.trim());
    assert_eq!(chunks(&home), 1);
}

#[test]
fn what_is_in_use_is_kept_and_moves_to_old_chunks() {
    let slab = slab();
    let cells: Vec<_> = (0..several_chunks())
        .map(|n| alloc(&slab, class(64), n))
        .collect();
    let (&kept, rest) = cells.split_last().unwrap();
    free_all(&slab, rest.iter().copied());
    for n in 0..6 {
        let busy = alloc(&slab, class(64), n);
        slab.trim();
        free_all(&slab, [busy]);
    }
    assert_eq!(chunks(&slab), 2, "the first, and the one with a live cell");
    assert_eq!(word_of(kept), cells.len() - 1);
    let next = slab.alloc(class(64));
    assert_eq!(
        next.as_ptr().addr() / CHUNK_BYTES,
        cells[0].as_ptr().addr() / CHUNK_BYTES
    );
}

#[test]
fn a_segment_given_back_serves_another_class() {
    let slab = slab();
    let count = CHUNK_BYTES / 64 / 2;
    let cells: Vec<_> = (0..count).map(|n| alloc(&slab, class(64), n)).collect();
    free_all(&slab, cells);
    for _ in 0..3 {
        slab.trim();
    }
    let count = CHUNK_BYTES / 1024 / 2;
    let cells: Vec<_> = (0..count).map(|n| alloc(&slab, class(1024), n)).collect();
    assert_eq!(chunks(&slab), 1);
    assert!(
        cells
            .iter()
            .enumerate()
            .all(|(n, &cell)| word_of(cell) == n)
    );
}

#[test]
fn cells_outlive_their_slab() {
    let owner = Arc::new(Owner("outlived"));
    let [home, away] = [(); 2].map(|()| Slab::new(owner.clone()));
    let cells: Vec<_> = (0..several_chunks())
        .map(|n| alloc(&home, class(64), n))
        .collect();
    // Some are at home again before the end, some on their way, some out.
    free_all(&home, cells.iter().copied().step_by(3));
    free_all(&away, cells.iter().copied().skip(1).step_by(3));
    home.close();
    assert!(Arc::strong_count(&owner) > 2, "each chunk has one");
    away.close();
    for &cell in cells.iter().skip(2).step_by(3) {
        // SAFETY: the cell is out.
        assert_eq!(unsafe { owner_of::<Owner>(cell) }.0, "outlived");
        // SAFETY: handed out above, and used no more.
        unsafe { free_remote::<Owner>(cell) };
    }
    assert_eq!(Arc::strong_count(&owner), 1, "every chunk is gone");
}

/// A small generator, so that a failure can be replayed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

#[test]
fn whatever_is_done_no_cell_is_handed_out_twice() {
    let rounds = if cfg!(miri) { 1_000 } else { 300_000 };
    for seed in 1..=if cfg!(miri) { 2 } else { 4 } {
        let mut dice = Dice(seed);
        let slabs = [slab(), slab()];
        let mut live: Vec<(NonNull<u8>, usize)> = Vec::new();
        let mut known = HashSet::new();
        for n in 0..rounds {
            // Grows for a while, then shrinks.
            let grows = n / (rounds / 20) % 2 == 0;
            match dice.roll(100) {
                0 => slabs[dice.roll(2)].flush(),
                1 if n % 50 == 0 => _ = slabs[dice.roll(2)].trim(),
                2 => slabs[dice.roll(2)].collect(),
                choice if (choice < 65) == grows || live.is_empty() => {
                    let bytes = [64, 64, 64, 200, 1000][dice.roll(5)];
                    let cell = alloc(&slabs[dice.roll(2)], class(bytes), n);
                    assert!(known.insert(cell), "seed {seed}, step {n}");
                    live.push((cell, n));
                }
                _ => {
                    let (cell, word) = live.swap_remove(dice.roll(live.len()));
                    assert_eq!(word_of(cell), word, "seed {seed}, step {n}");
                    known.remove(&cell);
                    free_all(&slabs[dice.roll(2)], [cell]);
                }
            }
        }
        let seen: HashSet<_> = slabs.iter().flat_map(cells_seen).collect();
        assert!(live.iter().all(|(cell, _)| seen.contains(cell)));
        for (cell, word) in live {
            assert_eq!(word_of(cell), word, "seed {seed}");
            free_all(&slabs[0], [cell]);
        }
    }
}

struct Parcel(NonNull<u8>);

// SAFETY: a cell that nobody uses may be freed anywhere.
unsafe impl Send for Parcel {}

#[test]
fn threads_free_each_others_cells() {
    let (threads, rounds) = if cfg!(miri) { (2, 200) } else { (4, 100_000) };
    let owner = Arc::new(Owner("shared"));
    let (doors, rooms): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel::<Parcel>()).unzip();
    let workers: Vec<_> = rooms
        .into_iter()
        .enumerate()
        .map(|(me, room)| {
            let next = doors[(me + 1) % threads].clone();
            let slab = Slab::new(owner.clone());
            thread::spawn(move || {
                for n in 0..rounds {
                    let cell = alloc(&slab, class(64 << (n % 3)), n);
                    // The neighbour may have ended.
                    if let Err(mpsc::SendError(parcel)) = next.send(Parcel(cell)) {
                        free_all(&slab, [parcel.0]);
                    }
                    while let Ok(Parcel(cell)) = room.try_recv() {
                        assert!(word_of(cell) < rounds);
                        free_all(&slab, [cell]);
                    }
                    if n % 1000 == 0 {
                        slab.trim();
                    }
                }
                drop(next);
                // Half of them end their slab before the last cells are back.
                let mut slab = Some(slab);
                if me % 2 == 0 {
                    slab.take().unwrap().close();
                }
                for Parcel(cell) in room {
                    match &slab {
                        Some(slab) => free_all(slab, [cell]),
                        // SAFETY: handed out by the neighbour, and used no more.
                        None => unsafe { free_remote::<Owner>(cell) },
                    }
                }
            })
        })
        .collect();
    drop(doors);
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    assert_eq!(Arc::strong_count(&owner), 1, "every chunk is gone");
}
