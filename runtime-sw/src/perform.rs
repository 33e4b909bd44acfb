//! One match: effect to action. The fact that comes of it is handed back.

use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Epoch, EventId, RequestId};
use bellwether_shared::bus::{Identity, Request, TokenGiven};
use bellwether_shared::coordinator::{Client, Effect, Input, To};
use bellwether_shared::rows::{Key, Store, document_prefix};
use bellwether_shared::state::{disputes, resolution};
use bellwether_web::fault::StoreFault;
use bellwether_web::{clock, entropy, fetch};

use crate::driver::Driver;
use crate::network;

impl Driver {
    /// Does one thing.
    pub(crate) async fn perform(self: &Rc<Self>, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Commit { ticket, batch } => {
                let store = match self.disk.store(&self.channel).await {
                    Ok(store) => store,
                    Err(fault) => {
                        return Some(Input::CommitFailed { ticket, fault: fault.to_fault() });
                    }
                };
                Some(match store.commit(&batch).await {
                    Ok(()) => Input::Committed(ticket),
                    // A lease with a lower epoch, or none: not a successor, but another database.
                    Err(StoreFault::Fenced { found }) if found < batch.epoch => {
                        self.start_over();
                        self.boot().await;
                        return None;
                    }
                    Err(StoreFault::Fenced { .. }) => Input::Fenced,
                    Err(fault) => Input::CommitFailed { ticket, fault: fault.to_fault() },
                })
            }
            Effect::Sign { ticket, statement } => {
                let signature = self.disk.sign(&statement).await;
                Some(Input::Signed { ticket, signature })
            }
            Effect::Push { ticket, url, token, body, compress } => {
                let token = token.as_ref().map(|token| &*token.0);
                let response = network::push(&url, token, &body, compress).await;
                Some(Input::Response { ticket, response })
            }
            Effect::Pull { ticket, url, token } => {
                let token = token.as_ref().map(|token| &*token.0);
                let response = network::pull(&url, token).await;
                Some(Input::Pulled { ticket, response })
            }
            Effect::Request { ticket, server, token, id, request } => {
                let token = token.as_ref().map(|token| &*token.0);
                let response = network::request(&request, id.as_str(), token, &server).await;
                Some(Input::Response { ticket, response })
            }
            Effect::TellHook { id, type_, reason, tries } => {
                fetch::tell_hook(&id, &type_, &reason.code, &reason.message, tries).await;
                None
            }
            Effect::WantToken { identity, page, message } => {
                self.get_token(identity, page, &message).await
            }
            Effect::ReadJournal { after, limit } => {
                Some(match self.rows(Store::Journal, after, limit).await {
                    Ok(rows) => Input::Journal { ended: rows.len() < limit as usize, rows },
                    Err(fault) => Input::JournalFailed(fault.to_fault()),
                })
            }
            Effect::ReadRetained { ticket, store, after, limit } => {
                Some(match self.rows(store, after, limit).await {
                    Ok(rows) => Input::Retained { ticket, rows },
                    Err(fault) => Input::RetainedFailed { ticket, fault: fault.to_fault() },
                })
            }
            Effect::ReadDocument { ticket, prefix } => Some(match self.document(&prefix).await {
                Ok(rows) => Input::Document { ticket, rows },
                Err(fault) => Input::RetainedFailed { ticket, fault: fault.to_fault() },
            }),
            Effect::Resolve { ticket, identity, id } => {
                let prefix = document_prefix(&identity.session);
                Some(match self.document(&prefix).await {
                    Ok(rows) => {
                        let made = self.make_of_two(&identity, &id, &rows).await;
                        Input::Resolution { ticket, made }
                    }
                    Err(fault) => Input::RetainedFailed { ticket, fault: fault.to_fault() },
                })
            }
            Effect::ReadOld { store, limit } => {
                let rows = self.rows(store, 0, limit).await.unwrap_or_default();
                Some(Input::Old { store, rows })
            }
            Effect::ListClients => Some(Input::Clients(self.clients.list().await)),
            Effect::Send { to, message } => {
                self.clients.send(&to, &message);
                None
            }
            Effect::AskForSync => {
                self.ask_for_sync().await;
                None
            }
            Effect::StartOver => {
                self.start_over();
                self.boot().await;
                None
            }
        }
    }

    // From the worker's hook, else from a page, which answers with a message.
    async fn get_token(
        &self,
        identity: Identity,
        page: Option<Client>,
        message: &[u8],
    ) -> Option<Input> {
        match fetch::token(&identity.user, &identity.session).await {
            Ok(token) => {
                let token = TokenGiven { identity, token: token.map(Into::into) };
                let bytes =
                    Request::Token(token).seal(&self.build, self.realm(), RequestId(0), Epoch(0));
                Some(Input::Message { from: Client("".into()), bytes })
            }
            Err(_) => {
                let page = page?;
                self.clients.send(&To::Client(page), message);
                None
            }
        }
    }

    // By the worker's hook. None where there is none, or where it has made nothing of one of them: they were written as one, and
    // stay so.
    async fn make_of_two(
        &self,
        identity: &Identity,
        id: &EventId,
        rows: &[(Key, Vec<u8>)],
    ) -> Option<Vec<Vec<u8>>> {
        let mut made = Vec::new();
        for dispute in disputes(&identity.session, rows, id)? {
            let [local, remote] = [&dispute.local, &dispute.remote]
                .map(|json| core::str::from_utf8(json.as_deref()?).ok());
            let said = fetch::resolve_conflict(&dispute.key, local, remote, RESOLVE_MAX).await;
            if let Some(json) = said.ok()? {
                made.push((dispute, Some(json.into_bytes())));
            }
        }
        if made.is_empty() {
            return Some(Vec::new());
        }
        let now = clock::now();
        let new = EventId::from_uuid(now.wall, entropy::bytes());
        Some(vec![resolution(now, identity, self.realm(), &new, &made)?])
    }

    async fn document(&self, prefix: &str) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        self.disk.store(&self.channel).await?.read_texts(Store::Document, prefix).await
    }

    async fn rows(
        &self,
        store: Store,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreFault> {
        self.disk.store(&self.channel).await?.read_numbers(store, after, limit).await
    }
}

/// How long the hook may take over one key.
const RESOLVE_MAX: Duration = Duration::from_secs(5);
