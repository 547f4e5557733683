//! Configured webhooks, read once for all requests until a configuration changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::admission::conditions::Conditions;
use crate::admission::matching::Matching;
use crate::registry::{Registry, Resource};
use crate::remote::Place;
use crate::storage::{self, Revision, View};
use crate::tree::{Map, Node};

const GROUP: &str = "admissionregistration.k8s.io";
const TIMEOUT_SECONDS_DEFAULT: i64 = 10;

/// What is asked of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sort {
    /// To change an object.
    Mutating,
    /// To allow it as it is.
    Validating,
}

/// A webhook of a configuration.
pub(crate) struct Hook {
    /// A number of its own; another one when its configuration changes.
    pub(super) id: u64,
    pub(super) name: String,
    /// The name of its configuration.
    pub(super) configuration: String,
    pub(super) sort: Sort,
    pub(crate) matching: Matching,
    pub(super) conditions: Conditions,
    /// Or why it is none.
    pub(super) place: Result<Place, String>,
    pub(super) timeout: Duration,
    /// What cannot be asked about is let through.
    pub(super) ignores_failures: bool,
    /// A dry run is no different from others.
    pub(super) takes_dry_runs: bool,
    /// It is asked again when somebody changed the object after it.
    pub(super) is_reinvoked: bool,
    /// `v1` or `v1beta1`, the first of its list that this server speaks.
    pub(super) version: Option<&'static str>,
}

/// The configured webhooks as of the newest view that was asked about.
#[derive(Default)]
pub struct Hooks {
    mutating: ArcSwap<Compiled>,
    validating: ArcSwap<Compiled>,
}

#[derive(Default)]
struct Compiled {
    /// Of the newest change to any configuration.
    modified: Revision,
    hooks: Arc<[Arc<Hook>]>,
}

impl Sort {
    fn resource(self) -> &'static Arc<Resource> {
        let plural = match self {
            Sort::Mutating => "mutatingwebhookconfigurations",
            Sort::Validating => "validatingwebhookconfigurations",
        };
        Registry::builtin().storage_of(GROUP, plural).expect("configurations are built in")
    }

    /// As metrics name it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sort::Mutating => "admit",
            Sort::Validating => "validating",
        }
    }
}

/// Whether webhooks judge objects of a resource: what configures them is out of their reach, so that a broken one can
/// be mended.
pub(crate) fn judges(resource: &Resource) -> bool {
    resource.version.group != GROUP
}

impl Hooks {
    /// The webhooks of a view, in the order in which they are asked: by the names of their configurations.
    pub(crate) fn of(&self, sort: Sort, view: &View) -> Arc<[Arc<Hook>]> {
        let place = match sort {
            Sort::Mutating => &self.mutating,
            Sort::Validating => &self.validating,
        };
        let resource = sort.resource();
        let modified = view.modified(resource);
        let compiled = place.load();
        if compiled.modified >= modified {
            return compiled.hooks.clone();
        }
        let hooks: Arc<[Arc<Hook>]> = view
            .entries(resource, "")
            .flat_map(|entry| hooks_of(sort, &storage::decode(resource, entry)))
            .collect();
        place.store(Arc::new(Compiled { modified, hooks: hooks.clone() }));
        hooks
    }
}

fn hooks_of(sort: Sort, configuration: &Map) -> Vec<Arc<Hook>> {
    let name = configuration.name();
    configuration.maps("webhooks").map(|webhook| Arc::new(Hook::of(sort, name, webhook))).collect()
}

impl Hook {
    fn of(sort: Sort, configuration: &str, webhook: &Map) -> Hook {
        let seconds = webhook.int("timeoutSeconds").unwrap_or(TIMEOUT_SECONDS_DEFAULT);
        let spoken = |version: &Node| match version.as_str() {
            Some("v1") => Some("v1"),
            Some("v1beta1") => Some("v1beta1"),
            _ => None,
        };
        static IDS: AtomicU64 = AtomicU64::new(0);
        Hook {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            name: webhook.str("name").to_owned(),
            configuration: configuration.to_owned(),
            sort,
            matching: Matching::of_webhook(webhook),
            conditions: Conditions::of(webhook),
            place: webhook
                .map("clientConfig")
                .ok_or_else(|| "no clientConfig".to_owned())
                .and_then(Place::of),
            timeout: Duration::from_secs(seconds.max(1) as u64),
            ignores_failures: webhook.str("failurePolicy") == "Ignore",
            takes_dry_runs: matches!(webhook.str("sideEffects"), "None" | "NoneOnDryRun"),
            is_reinvoked: webhook.str("reinvocationPolicy") == "IfNeeded",
            version: webhook.list("admissionReviewVersions").iter().find_map(spoken),
        }
    }
}
