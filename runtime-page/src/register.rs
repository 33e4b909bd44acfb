//! Finding the worker, registering it, and following its updates (HOST-1, HOST-7, HOST-8).
//!
//! What always holds: a registration of somebody else's worker is never replaced. Where one lives that does not
//! speak Bellwether, the stock script gets a scope of its own, and is spoken to all the same.

use core::time::Duration;
use std::rc::Rc;

use bellwether_web::dom::DomFault;
use bellwether_web::listen::Listener;
use bellwether_web::worker_link::{probe, register, registration, supported};
use web_sys::{ServiceWorker, ServiceWorkerRegistration, ServiceWorkerState};

use crate::options::{Options, WorkerChoice};

/// Finds the registration whose worker is to host the coordinator; says why there is none.
pub(crate) async fn find(options: &Options) -> Result<ServiceWorkerRegistration, Box<str>> {
    if options.worker == WorkerChoice::Off {
        return Err("service worker: switched off by the option `worker: false`".into());
    }
    if !supported() {
        return Err("service worker: this browser, or this address, does not allow one".into());
    }
    let url = match &options.worker {
        WorkerChoice::At(url) => url,
        WorkerChoice::Auto | WorkerChoice::Off => STOCK,
    };
    let mut scope = options.scope.clone();
    if is_stock(url) {
        match stock(url, scope, &options.channel).await? {
            Found::There(there) => return Ok(there),
            Found::Wanted(wanted) => scope = wanted,
        }
    }
    register(url, scope.as_deref()).await.map_err(why)
}

enum Found {
    There(ServiceWorkerRegistration),
    /// None that will do: it is to be registered, for this scope.
    Wanted(Option<Box<str>>),
}

// The stock script, unless a worker that speaks Bellwether is there already; beside any other, in its own scope.
async fn stock(url: &str, scope: Option<Box<str>>, channel: &str) -> Result<Found, Box<str>> {
    let there = registration(scope.as_deref().unwrap_or("")).await.map_err(why)?;
    let Some(there) = there else { return Ok(Found::Wanted(scope)) };
    let Some(newest) = newest(&there) else { return Ok(Found::Wanted(scope)) };
    let script = newest.script_url();
    if is_stock(&script) {
        return Ok(if script.ends_with(url) {
            // Registering again lets the browser look for an update.
            Found::Wanted(Some(there.scope().into()))
        } else {
            Found::There(there)
        });
    }
    if let Some(active) = active(&there).await
        && probe(&active, channel, PROBE_MAX).await.is_some()
    {
        return Ok(Found::There(there));
    }
    let own = [url.rsplit_once('/').map_or("", |(folder, _)| folder), OWN_SCOPE].concat();
    Ok(Found::Wanted(Some(own.into())))
}

/// The registration's worker once it is active; `None` if it will not be.
pub(crate) async fn active(registration: &ServiceWorkerRegistration) -> Option<ServiceWorker> {
    if let Some(worker) = registration.active() {
        return Some(worker);
    }
    let worker = newest(registration)?;
    let (sender, receiver) = futures::channel::oneshot::channel();
    let mut sender = Some(sender);
    let watched = worker.clone();
    let _listener = Listener::new(&worker, &["statechange"], move |_| {
        let over = matches!(
            watched.state(),
            ServiceWorkerState::Activating
                | ServiceWorkerState::Activated
                | ServiceWorkerState::Redundant
        );
        if let Some(sender) = sender.take_if(|_| over) {
            // Whoever waited may be gone.
            let _ = sender.send(());
        }
    });
    if worker.state() == ServiceWorkerState::Installing
        || worker.state() == ServiceWorkerState::Installed
    {
        let _ = receiver.await;
    }
    registration.active()
}

/// Calls `changed` whenever another worker of this registration comes to its turn.
pub(crate) fn follow(
    registration: &ServiceWorkerRegistration,
    changed: Rc<dyn Fn()>,
) -> Rc<Following> {
    let following = Rc::new(Following::default());
    let (weak, watched) = (Rc::downgrade(&following), registration.clone());
    let updates = Listener::new(registration, &["updatefound"], move |_| {
        if let (Some(following), Some(worker)) = (weak.upgrade(), watched.installing()) {
            let changed = Rc::clone(&changed);
            let states = Listener::new(&worker, &["statechange"], move |_| changed());
            let before = following.states.replace(Some(states));
            drop(before);
        }
    });
    *following.updates.borrow_mut() = Some(updates);
    following
}

/// Listens as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Following {
    updates: core::cell::RefCell<Option<Listener>>,
    states: core::cell::RefCell<Option<Listener>>,
}

fn newest(registration: &ServiceWorkerRegistration) -> Option<ServiceWorker> {
    registration.installing().or_else(|| registration.waiting()).or_else(|| registration.active())
}

fn is_stock(url: &str) -> bool {
    url.ends_with(STOCK)
}

fn why(fault: DomFault) -> Box<str> {
    ["service worker: ", &fault.name, ": ", &fault.message].concat().into()
}

const STOCK: &str = "/bellwether-sw.js";
const OWN_SCOPE: &str = "/bellwether-sw/";
const PROBE_MAX: Duration = Duration::from_secs(3);
