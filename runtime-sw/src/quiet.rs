//! Waiting for the quiet that all events share.

use core::cell::RefCell;
use core::fmt;

use bellwether_shared::base::Mono;
use bellwether_web::once::Once;

/// Those who wait until nothing is under way, and nothing becomes due before their slice ends.
#[derive(Default)]
pub(crate) struct Quiet(RefCell<Vec<(Mono, Once<()>)>>);

impl Quiet {
    /// A future that ends with the quiet; `deadline` is the end of the slice.
    pub(crate) fn wait(&self, deadline: Mono) -> impl Future<Output = ()> + use<> {
        let quiet = Once::new();
        self.0.borrow_mut().push((deadline, quiet.clone()));
        quiet.get()
    }

    /// It is quiet until `next`, or until a fact comes.
    pub(crate) fn is_quiet_until(&self, next: Option<Mono>) {
        let mut waiting = self.0.take();
        waiting.retain(|(deadline, quiet)| {
            let lasts = next.is_none_or(|next| next > *deadline);
            if lasts {
                quiet.put(()).unwrap_or_default();
            }
            // Whoever waited may be gone.
            !lasts && !quiet.is_over()
        });
        self.0.borrow_mut().append(&mut waiting);
    }
}

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quiet")
    }
}
