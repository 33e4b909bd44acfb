//! The workers of a device that run: a few at most, found by comparing ids for equality, which is done at every turn.

use bellwether_shared::base::PageId;

use crate::browser::Realm;

/// See the module. Ids of later ones are greater, so they stay in order.
#[derive(Debug, Default)]
pub struct Realms(Vec<(PageId, Realm)>);

impl Realms {
    /// The worker of this id.
    #[must_use]
    pub fn get(&self, id: &PageId) -> Option<&Realm> {
        self.iter().find(|(known, _)| known == id).map(|(_, realm)| realm)
    }

    pub(crate) fn get_mut(&mut self, id: &PageId) -> Option<&mut Realm> {
        self.0.iter_mut().find(|(known, _)| known == id).map(|(_, realm)| realm)
    }

    pub(crate) fn insert(&mut self, id: PageId, realm: Realm) {
        self.0.push((id, realm));
    }

    pub(crate) fn remove(&mut self, id: &PageId) -> Option<Realm> {
        let at = self.0.iter().position(|(known, _)| known == id)?;
        Some(self.0.remove(at).1)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(PageId, Realm)> {
        self.0.iter()
    }

    /// Their ids.
    pub fn keys(&self) -> impl Iterator<Item = &PageId> {
        self.iter().map(|(id, _)| id)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Realm> {
        self.iter().map(|(_, realm)| realm)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Realm> {
        self.0.iter_mut().map(|(_, realm)| realm)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
