//! Watchers of a namespace's endpoints: how long each change of a pod takes from its request to them.
//! Keeps: a scenario counts only when every change that was expected has been seen.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{sync::Notify, time};

use super::{Error, Result, clock::Moment, connection::Call, latencies::Latencies, target::Target};

/// How long the last changes may take to be seen.
const DELIVERY_MAX: Duration = Duration::from_secs(120);

/// One watch, and what is expected of it.
#[derive(Clone, Default)]
pub struct EndpointWatcher {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    done: Notify,
}

#[derive(Default)]
struct State {
    /// By service: pods that are to be ready, or not to be, and since when.
    expected: HashMap<String, Vec<(String, bool, Moment)>>,
    outstanding: usize,
    lags: Latencies,
    events: usize,
}

impl EndpointWatcher {
    /// Watches `endpointslices` or `endpoints` from now on.
    pub async fn start(target: &Target, collection: &str) -> Result<EndpointWatcher> {
        let mut connection = target.connect().await?;
        let body = connection.stream(&Call::get(format!("{collection}?watch=true"))).await?;
        let watcher = EndpointWatcher::default();
        let seeing = watcher.clone();
        tokio::spawn(async move {
            // The stream lasts as long as somebody holds its connection.
            let _connection = connection;
            seeing.watch(body).await;
        });
        Ok(watcher)
    }

    /// Expects a pod of a service to become ready, or to cease to be.
    pub fn expect(&self, service: &str, pod: &str, ready: bool) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = state.expected.entry(service.to_owned()).or_default();
        expected.push((pod.to_owned(), ready, Moment::now()));
        state.outstanding += 1;
    }

    /// Waits until everything expected was seen; answers how long each took, and how many events that were.
    pub async fn finish(&self) -> Result<(Latencies, usize)> {
        let seen = async {
            while self.outstanding() > 0 {
                self.shared.done.notified().await;
            }
        };
        let in_time = time::timeout(DELIVERY_MAX, seen).await.is_ok();
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = state.lags.count();
        if !in_time {
            return Err(Error::Undelivered { delivered, expected: delivered + state.outstanding });
        }
        Ok((std::mem::take(&mut state.lags), std::mem::take(&mut state.events)))
    }

    fn outstanding(&self) -> usize {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).outstanding
    }

    async fn watch(&self, mut body: Incoming) {
        let mut unread = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else { continue };
            unread.extend_from_slice(data);
            let Some(end) = unread.iter().rposition(|&byte| byte == b'\n') else { continue };
            let lines = unread[..end].split(|&byte| byte == b'\n');
            lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(|event| self.see(&event));
            unread.drain(..=end);
        }
    }

    fn see(&self, event: &Value) {
        let object = &event["object"];
        let service = object["metadata"]["labels"]["kubernetes.io/service-name"].as_str();
        let Some(service) = service.or(object["metadata"]["name"].as_str()) else { return };
        let ready = if event["type"] == "DELETED" { HashSet::new() } else { ready_pods(object) };
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.events += 1;
        let Some(mut expected) = state.expected.remove(service) else { return };
        expected.retain(|(pod, wanted, since)| {
            let seen = ready.contains(pod.as_str()) == *wanted;
            if seen {
                state.lags.add(since.elapsed());
                state.outstanding -= 1;
            }
            !seen
        });
        if !expected.is_empty() {
            state.expected.insert(service.to_owned(), expected);
        }
        if state.outstanding == 0 {
            self.shared.done.notify_one();
        }
    }
}

/// The pods that an EndpointSlice or Endpoints lists as ready.
fn ready_pods(object: &Value) -> HashSet<&str> {
    let list = |value: &'static str| object[value].as_array().map(Vec::as_slice).unwrap_or_default();
    let sliced = list("endpoints").iter().filter(|endpoint| endpoint["conditions"]["ready"] == true);
    let listed = list("subsets").iter().filter_map(|subset| subset["addresses"].as_array()).flatten();
    sliced.chain(listed).filter_map(|endpoint| endpoint["targetRef"]["name"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ready_pods_are_found_in_slices_and_in_endpoints() {
        let of = |name: &str| json!({ "name": name });
        let slice = json!({ "endpoints": [
            { "conditions": { "ready": true }, "targetRef": of("a") },
            { "conditions": { "ready": false }, "targetRef": of("b") },
        ] });
        let endpoints = json!({ "subsets": [{
            "addresses": [{ "targetRef": of("a") }],
            "notReadyAddresses": [{ "targetRef": of("b") }],
        }] });
        assert_eq!(ready_pods(&slice), HashSet::from(["a"]));
        assert_eq!(ready_pods(&endpoints), HashSet::from(["a"]));
    }
}
