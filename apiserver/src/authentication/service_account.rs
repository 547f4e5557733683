//! Tokens of service accounts, as TokenRequest issues them.
//!
//! Keeps: a token is dead as soon as the view lacks the account or the object that it is bound to, or has another one
//! under the name; objects that are being deleted count until a minute after their time, as upstream has it, because a
//! pod may use its token while it terminates.

use super::Records;
use super::bearer::{Finding, TokenAuthenticator, common, no_common_audience};
use crate::registry::{Registry, Resource};
use crate::service_account::Verified;
use crate::service_account::claims::{Kubernetes, LEEWAY_SECONDS, Reference};
use crate::status::Error;

/// The tokens of TokenRequests.
pub(super) struct BoundToken;

const INVALIDATED: &str = "service account token has been invalidated";

impl TokenAuthenticator for BoundToken {
    fn authenticate(&self, token: &str, audiences: &[String], records: &Records<'_>) -> Finding {
        let Some(tokens) = &records.cluster.service_account_tokens else { return Finding::Unconcerned };
        let verified = match tokens.verify(token) {
            None => return Finding::Unconcerned,
            Some(Err(why)) => return Finding::Rejected(why),
            Some(Ok(verified)) => verified,
        };
        let claims = &verified.claims;
        if !tokens.is_issuer(&claims.iss) {
            return Finding::Unconcerned;
        }
        let own = if claims.aud.is_empty() { &records.cluster.api_audiences } else { &claims.aud };
        let common = common(audiences, own);
        if common.is_empty() {
            return no_common_audience(audiences, own);
        }
        if let Err(why) = claims.check_time(records.now) {
            return Finding::Rejected(why.to_owned());
        }
        let Some(bound) = &claims.kubernetes else {
            return Finding::Rejected("service account token has no private claims".to_owned());
        };
        match check_objects(&verified, bound, records) {
            Ok(()) => Finding::Valid { user: verified.user.clone(), audiences: common },
            Err(why) => Finding::Unknown(why),
        }
    }
}

/// Whether everything that the token is bound to still exists.
fn check_objects(verified: &Verified, bound: &Kubernetes, records: &Records<'_>) -> Result<(), String> {
    let namespace = bound.namespace.as_str();
    let empty = Reference::default();
    let account = bound.serviceaccount.as_ref().unwrap_or(&empty);
    let accounts = builtin("serviceaccounts");
    let Some(stored) = verified.stored(records.view, accounts, namespace, &account.name) else {
        return Err(Error::not_found("serviceaccounts", &account.name).to_string());
    };
    if over(stored.deletion, records.now) {
        return Err(format!("service account {namespace}/{} has been deleted", account.name));
    }
    if stored.uid != account.uid {
        let (stored, claimed) = (stored.uid, &account.uid);
        return Err(format!("service account UID ({stored}) does not match claim ({claimed})"));
    }
    let pod = bound.pod.as_ref();
    // The node of a pod's token is only noted: pods outlive their nodes.
    let node = bound.node.as_ref().filter(|_| pod.is_none());
    for (reference, plural, namespace, what) in [
        (
            bound.secret.as_ref(),
            "secrets",
            namespace,
            "secret UID ({}) does not match service account secret ref claim ({})",
        ),
        (pod, "pods", namespace, "pod UID ({}) does not match service account pod ref claim ({})"),
        (node, "nodes", "", "node UID ({}) does not match service account node ref claim ({})"),
    ] {
        let Some(reference) = reference else { continue };
        let stored = verified.stored(records.view, builtin(plural), namespace, &reference.name);
        let Some(stored) = stored.filter(|stored| !over(stored.deletion, records.now)) else {
            return Err(INVALIDATED.to_owned());
        };
        if stored.uid != reference.uid {
            return Err(what.replacen("{}", &stored.uid, 1).replacen("{}", &reference.uid, 1));
        }
    }
    Ok(())
}

/// Whether the time of a deletion is past by more than clocks may differ.
fn over(deletion: Option<i64>, now: i64) -> bool {
    deletion.is_some_and(|deletion| deletion < now.saturating_sub(LEEWAY_SECONDS))
}

fn builtin(plural: &str) -> &'static Resource {
    Registry::builtin().storage_of("", plural).expect("the core kinds are built in")
}
