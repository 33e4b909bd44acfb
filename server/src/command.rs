//! What the program does beside serving: audits, written and checked offline.

use std::fs::File;
use std::io::Write as _;

use crate::audit::{self, AuditAsk, Export, Rules};
use crate::config::{AuditCommand, Command};
use crate::store::Archived;

/// Does it.
///
/// # Errors
/// A sentence: what is in the way, or what is wrong with the file.
pub fn run(command: Command) -> Result<(), String> {
    let Command::Audit(command) = command;
    match command {
        AuditCommand::Export { data, session, tenant, file } => {
            let describe = |fault| format!("cannot write {}: {fault}", file.display());
            let archived = Archived::open(&data)?;
            let ask = AuditAsk { tenant: tenant.into(), session: session.into() };
            let mut export = Export::new(ask);
            let mut to = File::create_new(&file).map_err(describe)?;
            while !export.is_done() {
                let part = archived.audit(&mut export)?;
                to.write_all(&part).map_err(describe)?;
            }
            to.sync_all().map_err(describe)?;
            writeln!(std::io::stdout(), "{}", export.anchor()).map_err(describe)
        }
        AuditCommand::Verify { allow_unsigned, anchor, file } => {
            let name = file.display();
            let from = File::open(&file).map_err(|fault| format!("cannot read {name}: {fault}"))?;
            let rules = Rules { unsigned: allow_unsigned, anchors: anchor };
            let sound = audit::verify(from, &rules).map_err(|fault| format!("{name}: {fault}"))?;
            if sound.erased > 0 {
                // Whoever does not read it has the same exit status.
                let _ = writeln!(std::io::stdout(), "{name}: {sound}");
            }
            Ok(())
        }
    }
}
