//! An effect that does what an event's type says, and counts what it has done in the store itself.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bellwether_server::{AcceptedEvent, Effect, EffectFault, EffectOutcome, EffectTx};

/// `count` adds one to the session's counter and answers with it, `start` in an object; `echo` answers with its data.
/// It does not know `stranger`. The others fail in their own ways,
/// after having touched the counter, which must not show.
#[derive(Default)]
pub(crate) struct Scripted {
    put_off: Mutex<BTreeSet<String>>,
}

impl Effect for Scripted {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        self.act(tx, event).unwrap_or_else(|fault| fault.later())
    }

    fn knows(&self, type_: &str) -> bool {
        type_ != "stranger"
    }
}

impl Scripted {
    fn act(
        &self,
        tx: &EffectTx<'_>,
        event: &AcceptedEvent<'_>,
    ) -> Result<EffectOutcome, EffectFault> {
        if event.event.type_ == "plain" {
            return Ok(EffectOutcome::Done { result: None });
        }
        let counted = tx.get("counter")?.map_or(0, |bytes| bytes[0]) + 1;
        tx.put("counter", Some(&[counted]))?;
        assert_eq!(tx.get("counter")?, Some(vec![counted]), "an effect sees its own writes");
        Ok(match event.event.type_ {
            "count" => done(counted.to_string().into_bytes()),
            "start" => done(format!("{{\"id\":{counted}}}").into_bytes()),
            "echo" => done(event.event.data.unwrap_or(b"null").to_vec()),
            "refuse" => EffectOutcome::Refuse { code: "no".into(), message: "never".into() },
            "later-once" if self.is_first(event) => {
                EffectOutcome::Later { code: "busy".into(), retry_after_ms: 70 }
            }
            "panic-once" => {
                assert!(!self.is_first(event), "told to panic");
                done(b"true".to_vec())
            }
            "later-once" => done(b"true".to_vec()),
            "too-large" => done(vec![b'1'; 16 * 1024 + 1]),
            "large" => done(vec![b'1'; 16 * 1024]),
            "not-json" => done(b"{".to_vec()),
            "forget" => {
                tx.put("counter", None)?;
                done(b"null".to_vec())
            }
            _ => EffectOutcome::Done { result: None },
        })
    }

    fn is_first(&self, event: &AcceptedEvent<'_>) -> bool {
        let mut put_off = self.put_off.lock().expect("no test panics while it holds this");
        put_off.insert(event.event.id.to_string())
    }
}

fn done(result: Vec<u8>) -> EffectOutcome {
    EffectOutcome::Done { result: Some(result.into()) }
}
