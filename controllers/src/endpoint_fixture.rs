//! Services, pods and nodes for the tests of the endpoint controllers, and views of them.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{Object, Resource};
use crate::digest::{Digest, Held};
use crate::digests::{EndpointSlice, Endpoints, Node, Pod, Service};
use crate::fake::Harness;
use crate::key::Key;
use crate::plan::{Action, Plan};
use crate::view::{Snapshot, View};

/// When pods became ready.
pub(crate) const READY_SINCE: &str = "2027-01-15T08:00:01Z";
/// When services were created.
pub(crate) const CREATED: &str = "2027-01-15T07:00:00Z";

/// The service `web` of the pods labelled `app: web`.
pub(crate) fn service(changes: Value) -> Value {
    let service = json!({
        "metadata": { "namespace": "shop", "name": "web", "uid": "service-1", "creationTimestamp": CREATED },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.7",
            "ipFamilies": ["IPv4"],
            "selector": { "app": "web" },
            "ports": [{ "name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080 }],
        },
    });
    changed(service, &changes)
}

/// A ready pod `web-<number>` at 10.1.0.<number> on node `n1`.
pub(crate) fn pod(number: usize, changes: Value) -> Value {
    let name = format!("web-{number}");
    let ip = format!("10.1.{}.{}", number / 250, number % 250);
    let pod = json!({
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": format!("pod-{number}"),
            "labels": { "app": "web" },
        },
        "spec": {
            "nodeName": "n1",
            "containers": [{ "name": "web", "ports": [{ "name": "web", "containerPort": 8080 }] }],
        },
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": READY_SINCE }],
        },
    });
    changed(pod, &changes)
}

/// Changes that make a pod not ready.
pub(crate) fn unready() -> Value {
    let since = "2027-01-15T08:30:00Z";
    json!({ "status": { "conditions": [
        { "type": "Ready", "status": "False", "lastTransitionTime": since },
    ] } })
}

/// Changes that let a pod be on its way out.
pub(crate) fn terminating() -> Value {
    json!({ "metadata": {
        "deletionTimestamp": "2027-01-15T08:40:00Z",
        "deletionGracePeriodSeconds": 30,
    } })
}

/// The node `n1` in a zone.
pub(crate) fn node(zone: &str) -> Value {
    json!({ "metadata": { "name": "n1", "labels": { "topology.kubernetes.io/zone": zone } } })
}

/// An object with changes merged in; null removes.
pub(crate) fn changed(mut object: Value, changes: &Value) -> Value {
    let (Some(fields), Some(changes)) = (object.as_object_mut(), changes.as_object()) else {
        return changes.clone();
    };
    for (field, change) in changes {
        match change {
            Value::Null => {
                fields.remove(field);
            }
            change => {
                let before = fields.remove(field).unwrap_or_else(|| json!({}));
                fields.insert(field.clone(), changed(before, change));
            }
        }
    }
    object
}

/// Objects that a view shows.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) services: Vec<Value>,
    pub(crate) pods: Vec<Value>,
    pub(crate) nodes: Vec<Value>,
    pub(crate) endpoints: Vec<Value>,
    pub(crate) slices: Vec<Value>,
}

impl World {
    /// One service with some pods on a node.
    pub(crate) fn new(service: Value, pods: Vec<Value>) -> World {
        World { services: vec![service], pods, nodes: vec![node("east")], ..World::default() }
    }

    /// What a controller plans for the service `shop/web`.
    pub(crate) fn planned(&self, plan: fn(&Key, &View, Timestamp) -> Plan) -> Vec<Action> {
        plan(&Key::new("shop", "web"), &self.view(), Timestamp::UNIX_EPOCH).actions
    }

    /// The objects that it would create; it must plan nothing else.
    pub(crate) fn created(&self, plan: fn(&Key, &View, Timestamp) -> Plan) -> Vec<Value> {
        let object = |action| match action {
            Action::Create { object, .. } => object,
            other => panic!("a create was expected: {other:?}"),
        };
        self.planned(plan).into_iter().map(object).collect()
    }

    pub(crate) fn view(&self) -> View {
        let mut view = View::default();
        view.insert(snapshot::<Service>(&self.services));
        view.insert(snapshot::<Pod>(&self.pods));
        view.insert(snapshot::<Node>(&self.nodes));
        view.insert(snapshot::<Endpoints>(&self.endpoints));
        view.insert(snapshot::<EndpointSlice>(&self.slices));
        view
    }
}

fn snapshot<D: Digest>(objects: &[Value]) -> Arc<Snapshot<D>> {
    let mut snapshot = Snapshot::default();
    for (at, object) in objects.iter().enumerate() {
        let mut object = object.clone();
        if object["metadata"]["resourceVersion"].is_null() {
            object["metadata"]["resourceVersion"] = json!((at + 1).to_string());
        }
        let object = Object::parse(Bytes::from(object.to_string())).unwrap();
        let (held, broken) = Held::<D>::extract(object, None);
        assert_eq!(broken, None);
        snapshot.put(held.into());
    }
    snapshot.reach(1000);
    Arc::new(snapshot)
}

/// Puts a world into a harness's API.
pub(crate) fn lay_out(harness: &Harness, world: &World) {
    let lay = |resource: &Resource, objects: &[Value]| {
        for object in objects {
            harness.api.put(resource, object.clone());
        }
    };
    lay(Node::RESOURCE, &world.nodes);
    lay(Pod::RESOURCE, &world.pods);
    lay(Service::RESOURCE, &world.services);
    lay(Endpoints::RESOURCE, &world.endpoints);
    lay(EndpointSlice::RESOURCE, &world.slices);
}
