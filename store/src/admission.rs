//! Admission: how many proposals may be in flight, by number and by bytes. Everything inside the store that
//! queues is bounded by this.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limits and what is in flight.
#[derive(Debug)]
pub(crate) struct Admission {
    proposals: AtomicUsize,
    bytes: AtomicUsize,
    proposals_max: usize,
    bytes_max: usize,
}

/// Leave for one proposal; given back when it is answered.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    bytes: usize,
}

impl Admission {
    pub(crate) fn new(proposals_max: usize, bytes_max: usize) -> Admission {
        Admission { proposals: AtomicUsize::new(0), bytes: AtomicUsize::new(0), proposals_max, bytes_max }
    }

    pub(crate) fn admit(self: &Arc<Admission>, bytes: usize) -> Option<Permit> {
        let proposals = self.proposals.fetch_add(1, Ordering::Relaxed);
        let in_flight = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let permit = Permit { admission: self.clone(), bytes };
        // The drop of a refused permit takes its count back.
        (proposals < self.proposals_max && in_flight + bytes <= self.bytes_max).then_some(permit)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.proposals.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.proposals.fetch_sub(1, Ordering::Relaxed);
        self.admission.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_limited_and_given_back() {
        let admission = Arc::new(Admission::new(2, 100));
        let first = admission.admit(60).expect("admitted");
        assert!(admission.admit(60).is_none(), "too many bytes");
        let second = admission.admit(40).expect("admitted");
        assert!(admission.admit(0).is_none(), "too many proposals");
        drop(first);
        drop(second);
        assert!(admission.admit(100).is_some());
        assert_eq!(admission.in_flight(), 0);
    }
}
