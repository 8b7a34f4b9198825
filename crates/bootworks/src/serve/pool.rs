//! Memory that was used before and is used again: new memory of some size comes from the kernel each time, a page fault
//! and a cleared page for every 4 kB, which costs as much as reading a file.

use std::sync::{Mutex, PoisonError};

/// Memory for whoever comes next. What came back last goes out first: the processor still has it at hand.
pub(crate) struct Pool {
    kept: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Pool {
    /// Keeps so many pieces of memory at most.
    pub(crate) const fn keeping(most: usize) -> Pool {
        Pool { kept: Mutex::new(Vec::new()), most }
    }

    /// Memory that came back, with what stood in it.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes memory back.
    pub(crate) fn give_back(&self, memory: Vec<u8>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.most {
            kept.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    /// A rack that fetches at once must not leave its memory behind.
    #[test]
    fn so_much_is_kept_and_no_more() {
        let pool = Pool::keeping(2);
        assert_eq!(pool.take(), None);
        (1..4).for_each(|octet| pool.give_back(vec![octet]));
        assert_eq!([pool.take(), pool.take(), pool.take()], [Some(vec![2]), Some(vec![1]), None]);
    }
}
