//! Memory that every connection on a thread works in, so that none owns its own.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Room for a partial record (at most 18,437 bytes) and 16 KiB of fresh bytes.
const INPUT: usize = 34 * 1024;
/// What the output may keep of its growth between uses.
const OUTPUT_KEPT: usize = 80 * 1024;

/// A thread's working memory.
pub(crate) struct Scratch {
    /// What is read, and decrypted in place.
    pub(crate) input: Box<[u8]>,
    /// What is about to be written; empty between uses.
    pub(crate) output: Vec<u8>,
}

impl Scratch {
    fn new() -> Self {
        Self { input: vec![0; INPUT].into_boxed_slice(), output: Vec::new() }
    }
}

/// What a [`Buffer`] may keep of its growth between uses.
const BUFFER_KEPT: usize = 16 * 1024;
/// Buffers that a thread keeps: one for what is read, one for what is written.
const SPARE: usize = 2;

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in memory that goes back to the thread when they are dropped. Unlike
/// [`with`]'s memory it may be held across an `await`, and dropped on another thread.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty buffer, with the capacity of an earlier one where the thread kept it.
    pub(crate) fn take() -> Self {
        Self(BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() == 0 {
            return;
        }
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        bytes.shrink_to(BUFFER_KEPT);
        // A thread that is ending has none to keep it in.
        let _ = BUFFERS.try_with(|buffers| {
            let mut spare = buffers.borrow_mut();
            if spare.len() < SPARE {
                spare.push(bytes);
            }
        });
    }
}

/// Lends the thread's working memory to `work`. A nested call gets fresh memory.
pub(crate) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut slot) => {
            let scratch = slot.get_or_insert_with(Scratch::new);
            scratch.output.clear();
            let result = work(scratch);
            scratch.output.clear();
            scratch.output.shrink_to(OUTPUT_KEPT);
            result
        }
        Err(_) => work(&mut Scratch::new()),
    })
}
