//! The stack that brings cells home, its end, and who frees a chunk: every interleaving.
//!
//! What is in a cell is tracked beside it, in loom's own cells: plain memory is invisible to loom.

use super::*;
use crate::sys::sync::UnsafeCell;
use loom::thread;

struct Owner {
    /// Written by whoever has the cell of this number.
    contents: [UnsafeCell<usize>; 3],
}

// SAFETY: the tests only touch the contents of cells they have; loom checks it.
unsafe impl Sync for Owner {}

fn owner() -> Arc<Owner> {
    Arc::new(Owner {
        contents: std::array::from_fn(UnsafeCell::new),
    })
}

struct Parcel(NonNull<u8>);

// SAFETY: a cell may be freed anywhere.
unsafe impl Send for Parcel {}

fn class() -> Class {
    Class::for_layout(64, 8).expect("small enough")
}

fn touch(owner: &Owner, cell: usize) {
    // SAFETY: loom panics if another thread is at it without having been synchronised with.
    owner.contents[cell].with_mut(|content| unsafe { *content += 1 });
}

fn free_remote_touched(owner: &Owner, cell: Parcel, number: usize) {
    touch(owner, number);
    // SAFETY: handed out, and used no more.
    unsafe { free_remote::<Owner>(cell.0) };
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    loom::model::Builder::new().check(f);
}

/// Two threads free, the owner takes in and hands out again: each cell once, and only when its last user is done.
#[test]
fn loom_slab_cells_come_home_once() {
    model(|| {
        let owner = owner();
        let slab = Slab::new(owner.clone());
        let cells: Vec<_> = (0..2).map(|_| slab.alloc(class())).collect();
        let freers: Vec<_> = (0..2)
            .map(|n| {
                let owner = owner.clone();
                let cell = Parcel(cells[n]);
                thread::spawn(move || {
                    let cell = cell;
                    free_remote_touched(&owner, cell, n);
                })
            })
            .collect();
        let mut back = Vec::new();
        for _ in 0..2 {
            // Without this loom tries no order in which the owner looks late: it forgets its load over the pushers' loads.
            thread::yield_now();
            slab.collect();
            while back.len() < 2 {
                let segment = slab.classes[class().index()].current.get().expect("in use");
                // SAFETY: the slab has it.
                let Some(cell) = (unsafe { segment.as_ref() }).pop() else {
                    break;
                };
                let number = cells.iter().position(|&one| one == cell.cast());
                let number = number.expect("only these two were freed");
                assert!(!back.contains(&number), "handed out twice");
                touch(&owner, number);
                back.push(number);
            }
        }
        freers.into_iter().for_each(|freer| freer.join().unwrap());
        slab.collect();
        let segment = slab.classes[class().index()].current.get().expect("in use");
        // SAFETY: the slab has it.
        let segment = unsafe { segment.as_ref() };
        while segment.pop().is_some() {
            back.push(usize::MAX);
        }
        assert_eq!(back.len(), 2, "lost");
        for cell in cells {
            // SAFETY: handed out, and used no more.
            unsafe { slab.free(cell, || ()) };
        }
    });
}

/// The slab ends while two threads free its last cells: the chunk, which keeps the owner, goes exactly once, after everybody.
#[test]
fn loom_slab_closes_under_remote_frees() {
    model(|| {
        let owner = owner();
        let slab = Slab::new(owner.clone());
        let cells: Vec<_> = (0..2).map(|_| slab.alloc(class())).collect();
        let freers: Vec<_> = (0..2)
            .map(|n| {
                let cell = Parcel(cells[n]);
                thread::spawn(move || {
                    let cell = cell;
                    // SAFETY: handed out, and used no more.
                    unsafe { free_remote::<Owner>(cell.0) };
                })
            })
            .collect();
        slab.close();
        freers.into_iter().for_each(|freer| freer.join().unwrap());
        assert_eq!(Arc::strong_count(&owner), 1, "the chunk is gone");
    });
}

/// A chain of two from another slab's outbox arrives while the slab ends.
#[test]
fn loom_slab_closes_under_an_outbox() {
    model(|| {
        let owner = owner();
        let slab = Slab::new(owner.clone());
        let cells = [Parcel(slab.alloc(class())), Parcel(slab.alloc(class()))];
        let kept = Parcel(slab.alloc(class()));
        let other = Slab::new(owner.clone());
        let freer = thread::spawn(move || {
            let [one, two] = cells;
            for cell in [one, two] {
                // SAFETY: handed out, and used no more.
                unsafe { other.free(cell.0, || ()) };
            }
            other.close();
        });
        slab.close();
        // SAFETY: handed out, and used no more; it outlives its slab.
        unsafe { free_remote::<Owner>(kept.0) };
        freer.join().unwrap();
        assert_eq!(Arc::strong_count(&owner), 1, "the chunk is gone");
    });
}
