//! The command line, validated once into one struct.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_shared::base::limits;
use clap::{Parser, Subcommand};

use crate::audit::Anchor;
use crate::auth::{Guard, TokenKey, is_loopback_origin};
use crate::bounds::{KEEP_DAYS, KEEP_EVENTS, KEEP_EVENTS_MIN, WEBHOOK_TIMEOUT_MS_MAX};
use crate::engine::{Retention, Signatures};
use crate::webhook::{Caller, Secret};

/// Bellwether's reference sync server: takes each event once, and keeps one ordered log per session.
///
/// Without a token key it runs for development: on loopback only, and for everyone on this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "bellwether-server", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do in place of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address and port to listen on; port 0 takes a free one, which is printed
    #[arg(long, env = "BELLWETHER_LISTEN", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,

    /// Directory of the store, created where there is none
    #[arg(long, env = "BELLWETHER_DATA", default_value = "bellwether-data")]
    pub data: PathBuf,

    /// Keep everything in memory and nothing in --data; nothing survives the process
    #[arg(long, conflicts_with = "new_epoch")]
    pub memory: bool,

    /// Give every session's log a new epoch: after the data directory was put back from a copy
    ///
    /// Clients then send again what the copy lacks, and read the logs anew. A copy cannot be told
    /// from the original by the server itself.
    #[arg(long)]
    pub new_epoch: bool,

    /// Take HS256 tokens signed with the secret in this file (at least 32 bytes, blanks around it
    /// left away)
    #[arg(long, env = "BELLWETHER_HS256_SECRET_FILE", value_name = "FILE")]
    pub hs256_secret_file: Option<PathBuf>,

    /// Take EdDSA tokens, checked with the Ed25519 public key in this PEM file
    #[arg(
        long,
        env = "BELLWETHER_EDDSA_PUBLIC_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "hs256_secret_file"
    )]
    pub eddsa_public_key_file: Option<PathBuf>,

    /// Let pages of this origin (scheme, host and port) ask; repeatable, * for all
    ///
    /// In development pages from this machine may always ask.
    #[arg(long, env = "BELLWETHER_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,

    /// Take batches of devices that cannot sign, too: for pages outside of a secure context
    #[arg(long)]
    pub allow_unsigned: bool,

    /// Take events of these types only, and refuse others as type-unknown; separated by commas
    #[arg(long, env = "BELLWETHER_EVENT_TYPES", value_name = "TYPE", value_delimiter = ',')]
    pub event_types: Vec<String>,

    /// The same, one type a line; empty lines are skipped
    #[arg(long, env = "BELLWETHER_EVENT_TYPES_FILE", value_name = "FILE")]
    pub event_types_file: Option<PathBuf>,

    /// Post each event to this address before it is appended; its reply is the outcome
    #[arg(long, env = "BELLWETHER_WEBHOOK", value_name = "URL")]
    pub webhook: Option<String>,

    /// Sign what is posted with the secret in this file: whsec_ and base64, or at least 24 bytes
    #[arg(long, env = "BELLWETHER_WEBHOOK_SECRET_FILE", value_name = "FILE", requires = "webhook")]
    pub webhook_secret_file: Option<PathBuf>,

    /// How long to wait for each reply
    #[arg(long, default_value_t = 5_000, value_name = "N", requires = "webhook")]
    pub webhook_timeout_ms: u64,

    /// Keep the bodies of the last N events of each session; of older ones only while --keep-days keeps them
    ///
    /// What goes is an event's body. Its id, its result and its hash stay, and so does the session's
    /// document. 0: their number keeps none. With both at 0 all are kept.
    #[arg(long, env = "BELLWETHER_KEEP_EVENTS", default_value_t = KEEP_EVENTS, value_name = "N")]
    pub keep_events: u64,

    /// Keep the bodies of events for N days; longer only if they are among the last of --keep-events
    ///
    /// 0: their age keeps none. With both at 0 all are kept.
    #[arg(long, env = "BELLWETHER_KEEP_DAYS", default_value_t = KEEP_DAYS, value_name = "N")]
    pub keep_days: u64,

    /// Serve the files of this directory at /
    #[arg(long = "static", value_name = "DIR")]
    pub assets: Option<PathBuf>,

    /// Offer /dev/mood, which makes pushes fail to order; in development only
    #[arg(long)]
    pub dev_faults: bool,

    /// What to log: a level, or directives such as bellwether_server=debug
    #[arg(long, env = "BELLWETHER_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// Log as JSON, one object per line
    #[arg(long)]
    pub log_json: bool,
}

/// What the program does beside serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// A session's log with the proofs of its devices
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// What can be done with an audit.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Write a session's audit to a new file, and print the anchor of its log
    ///
    /// A server may have the store open meanwhile.
    Export {
        /// Directory of the store
        #[arg(long, env = "BELLWETHER_DATA", default_value = "bellwether-data")]
        data: PathBuf,
        /// Which session
        #[arg(long)]
        session: String,
        /// Whose, where there are tenants
        #[arg(long, default_value = "")]
        tenant: String,
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Check a file; print nothing if it is sound, else where it is not and why
    Verify {
        /// Let events pass that nobody has signed
        #[arg(long)]
        allow_unsigned: bool,
        /// Compare the log with what was printed of it before; repeatable
        #[arg(long, value_name = "OFFSET:HASH")]
        anchor: Vec<Anchor>,
        /// The file
        file: PathBuf,
    },
}

/// What the server runs by.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The store's directory; `None` for a store in memory.
    pub data: Option<PathBuf>,
    /// Whether every log gets a new epoch.
    pub new_epoch: bool,
    /// What stands before every request.
    pub guard: Guard,
    /// Which pages may ask.
    pub origins: Origins,
    /// Whether unsigned batches are taken.
    pub signatures: Signatures,
    /// The types of events that are taken; `None` for all.
    pub event_types: Option<BTreeSet<Box<str>>>,
    /// Who is called for each event.
    pub webhook: Option<Caller>,
    /// Which events keep their bodies; `None` for all.
    pub retention: Option<Retention>,
    /// What is served at `/`.
    pub assets: Option<PathBuf>,
    /// Whether there are faults to order.
    pub dev_faults: bool,
}

/// Which pages may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// These.
    pub named: Vec<String>,
    /// All.
    pub any: bool,
    /// Those served from this machine.
    pub loopback: bool,
}

impl Origins {
    /// Whether pages of `origin` may ask.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        self.any
            || self.named.iter().any(|named| named == origin)
            || self.loopback && is_loopback_origin(origin)
    }
}

impl Config {
    /// Checks the arguments, and reads the files they name.
    ///
    /// # Errors
    /// One sentence on what does not fit together or cannot be read.
    pub fn from(arguments: Arguments) -> Result<Self, String> {
        let guard = guard(&arguments)?;
        let development = guard.is_development();
        if arguments.dev_faults && !development {
            return Err(
                "--dev-faults is for development; it cannot stand beside a token key".into()
            );
        }
        if let Some(directory) = &arguments.assets
            && !directory.is_dir()
        {
            return Err(format!("--static {} is not a directory", directory.display()));
        }
        if let Some(origin) = arguments.allow_origin.iter().find(|origin| !is_origin(origin)) {
            return Err(format!(
                "--allow-origin {origin} is no origin: give scheme and host and nothing after them, \
                 as in https://app.example"
            ));
        }
        let event_types = event_types(&arguments)?;
        let webhook = webhook(&arguments)?;
        let retention = retention(&arguments)?;
        let any = arguments.allow_origin.iter().any(|origin| origin == "*");
        Ok(Self {
            listen: arguments.listen,
            data: (!arguments.memory).then_some(arguments.data),
            new_epoch: arguments.new_epoch,
            guard,
            origins: Origins { named: arguments.allow_origin, any, loopback: development },
            signatures: if arguments.allow_unsigned {
                Signatures::Optional
            } else {
                Signatures::Required
            },
            event_types,
            webhook,
            retention,
            assets: arguments.assets,
            dev_faults: arguments.dev_faults,
        })
    }
}

fn guard(arguments: &Arguments) -> Result<Guard, String> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|fault| format!("cannot read {}: {fault}", path.display()))
    };
    if let Some(path) = &arguments.hs256_secret_file {
        let secret = read(path)?;
        let secret = secret.trim_ascii();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "the secret in {} has {} bytes, at least {SECRET_BYTES_MIN} are needed",
                path.display(),
                secret.len()
            ));
        }
        return Ok(Guard::Tokens(Box::new(TokenKey::hs256(secret))));
    }
    if let Some(path) = &arguments.eddsa_public_key_file {
        let key = TokenKey::eddsa(&read(path)?).map_err(|fault| {
            format!("{} is not an Ed25519 public key in PEM: {fault}", path.display())
        })?;
        return Ok(Guard::Tokens(Box::new(key)));
    }
    if !arguments.listen.ip().is_loopback() {
        return Err(format!(
            "listening on {} needs a token key (--hs256-secret-file or --eddsa-public-key-file); \
             without one the server runs for development, on 127.0.0.1 or [::1] only",
            arguments.listen
        ));
    }
    Ok(Guard::Development)
}

fn event_types(arguments: &Arguments) -> Result<Option<BTreeSet<Box<str>>>, String> {
    let mut types: BTreeSet<Box<str>> =
        arguments.event_types.iter().map(|type_| type_.trim().into()).collect();
    if let Some(path) = &arguments.event_types_file {
        let text = fs::read_to_string(path)
            .map_err(|fault| format!("cannot read {}: {fault}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        types.extend(lines.map(Into::into));
        if types.is_empty() {
            return Err(format!("{} names no event type; name one a line", path.display()));
        }
    }
    if let Some(unfit) =
        types.iter().find(|type_| !(1..=limits::EVENT_TYPE_BYTES_MAX).contains(&type_.len()))
    {
        return Err(format!(
            "--event-types: {unfit:?} has {} bytes, a type has 1 to {}",
            unfit.len(),
            limits::EVENT_TYPE_BYTES_MAX
        ));
    }
    Ok((!types.is_empty()).then_some(types))
}

fn retention(arguments: &Arguments) -> Result<Option<Retention>, String> {
    let (events, days) = (arguments.keep_events, arguments.keep_days);
    if (1..KEEP_EVENTS_MIN).contains(&events) {
        return Err(format!(
            "--keep-events {events} is less than a reader may lag behind: keep {KEEP_EVENTS_MIN} or more, or 0 if \
             their number is not to count"
        ));
    }
    let retention = Retention { events, age_ms: days.saturating_mul(DAY_MS) };
    Ok((!retention.is_off()).then_some(retention))
}

fn webhook(arguments: &Arguments) -> Result<Option<Caller>, String> {
    let Some(url) = &arguments.webhook else { return Ok(None) };
    let timeout_ms = arguments.webhook_timeout_ms;
    if !(1..=WEBHOOK_TIMEOUT_MS_MAX).contains(&timeout_ms) {
        return Err(format!(
            "--webhook-timeout-ms {timeout_ms} is not between 1 and {WEBHOOK_TIMEOUT_MS_MAX}"
        ));
    }
    let read = |path: &PathBuf| {
        let text =
            fs::read(path).map_err(|fault| format!("cannot read {}: {fault}", path.display()))?;
        Secret::read(&text).map_err(|what| format!("the secret in {} {what}", path.display()))
    };
    let secret = arguments.webhook_secret_file.as_ref().map(read).transpose()?;
    let caller = Caller::new(url, secret, Duration::from_millis(timeout_ms));
    caller.map(Some).map_err(|sentence| format!("--webhook: {sentence}"))
}

// As browsers write it in the Origin header; with anything else it would never be equal.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map(|(_, host)| host);
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
}

const SECRET_BYTES_MIN: usize = 32;
const DAY_MS: u64 = 24 * 60 * 60_000;
