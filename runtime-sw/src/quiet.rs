//! Waiting for the quiet that all events share.

use core::cell::RefCell;

use bellwether_shared::base::Mono;
use futures::channel::oneshot;

/// Those who wait until nothing is under way, and nothing becomes due before their slice ends.
#[derive(Debug, Default)]
pub(crate) struct Quiet(RefCell<Vec<(Mono, oneshot::Sender<()>)>>);

impl Quiet {
    /// A future that ends with the quiet; `deadline` is the end of the slice.
    pub(crate) fn wait(&self, deadline: Mono) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.0.borrow_mut().push((deadline, sender));
        receiver
    }

    /// It is quiet until `next`, or until a fact comes.
    pub(crate) fn is_quiet_until(&self, next: Option<Mono>) {
        let waiting = self.0.take();
        let (over, left): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .filter(|(_, sender)| !sender.is_canceled())
            .partition(|(deadline, _)| next.is_none_or(|next| next > *deadline));
        self.0.borrow_mut().extend(left);
        for (_, sender) in over {
            // Whoever waited may be gone.
            let _ = sender.send(());
        }
    }
}
