//! The binary: arguments, store, listener, and the signals that end it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use bellwether_server::config::{Arguments, Config};
use bellwether_server::live::Heads;
use bellwether_server::mood::{Moods, Moody};
use bellwether_server::store::{Embedded, Memory, Opening, Store};
use bellwether_server::webhook::{Caller, Hooked, Replies};
use bellwether_server::{App, Effect, NoEffect, Only, app, command, compact, observe, serve};
use clap::Parser as _;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // There is no one left to tell if standard error is gone.
            let _ = writeln!(std::io::stderr(), "bellwether-server: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn start(mut arguments: Arguments) -> Result<(), String> {
    if let Some(command) = arguments.command.take() {
        return command::run(command);
    }
    observe::start(&arguments.log, arguments.log_json)?;
    let mut config = Config::from(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|fault| format!("cannot start the runtime: {fault}"))?;
    let moods = config.dev_faults.then(Arc::<Moods>::default);
    let hook = config.webhook.take().map(|caller| (caller, Arc::<Replies>::default()));
    let effect: Arc<dyn Effect> = match &hook {
        Some((_, replies)) => Arc::clone(replies) as _,
        None => Arc::new(NoEffect),
    };
    let effect = match config.event_types.take() {
        Some(types) => Arc::new(Only::new(types, effect)),
        None => effect,
    };
    let effect = match moods.clone() {
        Some(moods) => Arc::new(Moody::new(moods, effect)),
        None => effect,
    };
    match config.data.clone() {
        Some(directory) => {
            let opening = Opening { directory, new_epoch: config.new_epoch };
            let store = Embedded::open(&opening, effect)?;
            runtime.block_on(hooked(config, store, hook, moods))
        }
        None => runtime.block_on(hooked(config, Memory::new(effect), hook, moods)),
    }
}

async fn hooked<S: Store>(
    config: Config,
    store: S,
    hook: Option<(Caller, Arc<Replies>)>,
    moods: Option<Arc<Moods>>,
) -> Result<(), String> {
    match hook {
        Some((caller, replies)) => run(config, Hooked::new(store, caller, replies), moods).await,
        None => run(config, store, moods).await,
    }
}

async fn run<S: Store>(config: Config, store: S, moods: Option<Arc<Moods>>) -> Result<(), String> {
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|fault| format!("cannot listen on {}: {fault}", config.listen))?;
    let address = listener.local_addr().map_err(|fault| format!("cannot listen: {fault}"))?;
    let heads = Arc::<Heads>::default();
    let served = Arc::new(App {
        store,
        heads: Arc::clone(&heads),
        guard: config.guard,
        signatures: config.signatures,
        origins: config.origins,
        moods,
        assets: config.assets,
    });
    let router = app(Arc::clone(&served));
    let stop = signal()?;
    // For whoever started it on port 0; that nobody reads it is no reason to end.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    tracing::info!(%address, "listening");
    let stop = async move {
        stop.await;
        heads.close();
    };
    let compaction = config.retention.map(|kept| tokio::spawn(compact(served, kept)));
    serve(listener, router, stop).await;
    if let Some(compaction) = compaction {
        compaction.abort();
        // It is let go of in the middle; what it had begun is done, or not.
        let _ = compaction.await;
    }
    tracing::info!("closed");
    Ok(())
}

#[cfg(unix)]
fn signal() -> Result<impl Future<Output = ()>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let describe = |fault: std::io::Error| format!("cannot listen to signals: {fault}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(describe)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(describe)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> Result<impl Future<Output = ()>, String> {
    Ok(async {
        if let Err(fault) = tokio::signal::ctrl_c().await {
            tracing::error!(%fault, "cannot listen to signals; end the process by other means");
            std::future::pending::<()>().await;
        }
    })
}
