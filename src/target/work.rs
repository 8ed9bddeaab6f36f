//! A limit on the work of deciding one target.
//!
//! A target of a few hundred bytes can be read in thousands of ways, and over HTTP/2 a client repeats it with one byte
//! (RFC 7541, section 6.1). Every step of the search therefore pays for the bytes that it is about to touch, and a
//! target that uses up the budget is malformed. Limits per client come later than this decision and do not protect it.

/// How much work one target may cost, in units of about one CPU instruction. `benches/instructions` checks the unit: it
/// counts the real instructions of the most expensive targets that are known.
pub(super) const BUDGET: usize = 1_000_000;

/// The search did not end within its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuchWork;

/// The rest of the budget.
#[derive(Debug)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) fn new() -> Work {
        Work { left: BUDGET }
    }

    /// Pays for a step in advance. A step that costs more than is left fails and leaves nothing for later ones.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), TooMuchWork> {
        let left = self.left.checked_sub(units);
        self.left = left.unwrap_or(0);
        left.map(drop).ok_or(TooMuchWork)
    }

    #[cfg(test)]
    pub(super) fn unbounded() -> Work {
        Work { left: usize::MAX }
    }

    /// The work spent so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> usize {
        BUDGET - self.left
    }
}
