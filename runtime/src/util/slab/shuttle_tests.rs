//! Three slabs whose cells are freed all over the place, with chains, outboxes and an end in the middle: random interleavings of a case that is
//! too large for loom.

use super::*;
use crate::sys::sync::{Mutex, thread};

const THREADS: usize = 3;
const CELLS: usize = 150;

struct Parcel(NonNull<u8>);

// SAFETY: a cell that nobody uses may be freed anywhere.
unsafe impl Send for Parcel {}

fn cells_wander(seed: usize) {
    let owner = Arc::new(());
    let post = Arc::new(std::array::from_fn::<_, THREADS, _>(|_| {
        Mutex::new(Vec::<Parcel>::new())
    }));
    let threads: Vec<_> = (0..THREADS)
        .map(|me| {
            let (owner, post) = (owner.clone(), post.clone());
            thread::spawn(move || {
                let slab = Slab::new(owner);
                let class = Class::for_layout(64, 8).expect("small enough");
                for n in 0..CELLS {
                    let cell = slab.alloc(class);
                    // SAFETY: a cell has room for a word; it is ours.
                    unsafe { cell.cast::<usize>().write(n) };
                    post[(me + n * seed) % THREADS].lock().push(Parcel(cell));
                    let arrived = post[me].lock().pop();
                    if let Some(Parcel(cell)) = arrived {
                        // SAFETY: as it came out of the post, it is ours.
                        assert!(unsafe { cell.cast::<usize>().read() } < CELLS);
                        // SAFETY: handed out, and used no more.
                        unsafe { slab.free(cell, || ()) };
                    }
                    if n % 40 == 39 {
                        slab.trim();
                    }
                }
                slab.close();
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for door in post.iter() {
        for Parcel(cell) in door.lock().drain(..) {
            // SAFETY: handed out, and used no more.
            unsafe { free_remote::<()>(cell) };
        }
    }
    drop(post);
    assert_eq!(Arc::strong_count(&owner), 1, "every chunk is gone");
}

#[test]
fn shuttle_slab_cells_wander() {
    for seed in 1..=2 {
        shuttle::check_random(move || cells_wander(seed), 1_000);
    }
}
