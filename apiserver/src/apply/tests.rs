use super::*;
use crate::codec::yaml;
use crate::managed_fields::{Context, write_set};
use crate::schema;

const NOW: &str = "2026-01-02T03:04:05Z";
const BEFORE: &str = "2025-01-01T00:00:00Z";
const CONFIG_MAP: (&str, &str, &str) = ("", "v1", "ConfigMap");
const POD: (&str, &str, &str) = ("", "v1", "Pod");
const SERVICE: (&str, &str, &str) = ("", "v1", "Service");
const DEPLOYMENT: (&str, &str, &str) = ("apps", "v1", "Deployment");

type KindName = (&'static str, &'static str, &'static str);

fn untyped(text: &str) -> Map {
    match json::decode_untyped(&yaml::to_json(text.as_bytes(), None).unwrap()).unwrap() {
        Node::Map(map) => map,
        other => panic!("{text} is {other}"),
    }
}

/// An object in the hands of several writers.
struct World {
    kind: KindName,
    object: Option<Map>,
    now: &'static str,
}

impl World {
    fn new(kind: KindName) -> World {
        World { kind, object: None, now: BEFORE }
    }

    fn id(&self) -> StructId {
        schema::kind(self.kind.0, self.kind.1, self.kind.2).unwrap()
    }

    fn api_version(&self) -> String {
        match self.kind.0 {
            "" => self.kind.1.to_owned(),
            group => format!("{group}/{}", self.kind.1),
        }
    }

    fn request<T>(&self, manager: &str, force: bool, with: impl FnOnce(&Request<'_>) -> T) -> T {
        let (manager, subresource) = manager.split_once('/').unwrap_or((manager, ""));
        let (api_version, now) = (self.api_version(), self.now);
        let context = Context {
            manager,
            api_version: &api_version,
            subresource,
            now,
            reset: &[],
            known: None,
            elsewhere: &[],
        };
        with(&Request { context, kind: self.kind.2, force, object: self.id() })
    }

    fn try_apply(&mut self, manager: &str, force: bool, body: &str) -> Result<(), Error> {
        let object = self.request(manager, force, |request| {
            apply(self.object.as_ref(), &untyped(body), schema::builtin(), self.id(), request)
        })?;
        self.object = Some(object);
        Ok(())
    }

    #[track_caller]
    fn apply(mut self, manager: &str, body: &str) -> World {
        self.try_apply(manager, false, body).unwrap();
        self
    }

    #[track_caller]
    fn force(mut self, manager: &str, body: &str) -> World {
        self.try_apply(manager, true, body).unwrap();
        self
    }

    /// A PUT of the object with other fields.
    fn update(mut self, manager: &str, body: &str) -> World {
        let mut new = json::typed(untyped(body), schema::builtin(), self.id(), None).unwrap();
        self.request(manager, false, |request| {
            managed_fields::update(
                self.object.as_ref(),
                &mut new,
                schema::builtin(),
                self.id(),
                &request.context,
            );
        });
        self.object = Some(new);
        self
    }

    fn later(mut self) -> World {
        self.now = NOW;
        self
    }

    #[track_caller]
    fn has(self, expected: &str) -> World {
        let mut object = self.object.clone().unwrap();
        set_managed_fields(&mut object, None);
        let expected = json::typed(untyped(expected), schema::builtin(), self.id(), None).unwrap();
        let mut texts = [Vec::new(), Vec::new()];
        json::encode(&object, schema::builtin(), self.id(), &mut texts[0]);
        json::encode(&expected, schema::builtin(), self.id(), &mut texts[1]);
        let [found, expected] = texts.map(|text| String::from_utf8(text).unwrap());
        assert_eq!(found, expected);
        self
    }

    /// The managers, a line each: `manager operation[/subresource] time fields`.
    #[track_caller]
    fn owned(self, expected: &[&str]) -> World {
        let list = managed_fields(self.object.as_ref().unwrap()).cloned().unwrap_or_default();
        let lines: Vec<String> = read_stored(&list)
            .unwrap()
            .iter()
            .map(|entry| {
                let slash = if entry.subresource.is_empty() { "" } else { "/" };
                let time = match entry.time.as_deref() {
                    Some(NOW) => "now",
                    Some(_) => "before",
                    None => "-",
                };
                let operation = format!("{}{slash}{}", entry.operation.name(), entry.subresource);
                format!("{} {operation} {time} {}", entry.manager, write_set(&entry.set()))
            })
            .collect();
        assert_eq!(lines, expected);
        self
    }

    #[track_caller]
    fn refuses(mut self, manager: &str, body: &str, expected: &str) -> World {
        let before = self.object.clone();
        assert_eq!(self.try_apply(manager, false, body).unwrap_err().to_string(), expected);
        assert_eq!(self.object, before);
        self
    }
}

#[test]
fn a_manager_owns_what_it_states() {
    World::new(CONFIG_MAP)
        .apply(
            "a",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, labels: {l: x}}, data: {k: v, e: ''}}",
        )
        .has("{metadata: {name: c, labels: {l: x}}, data: {k: v, e: ''}}")
        .owned(&[r#"a Apply before {"f:data":{"f:e":{},"f:k":{}},"f:metadata":{"f:labels":{"f:l":{}}}}"#]);
    World::new(DEPLOYMENT)
        .apply("a", "spec: {replicas: 0, paused: false, selector: {matchLabels: {a: b}}, strategy: {}}")
        .has("spec: {replicas: 0, selector: {matchLabels: {a: b}}}")
        .owned(&[
            r#"a Apply before {"f:spec":{"f:paused":{},"f:replicas":{},"f:selector":{},"f:strategy":{}}}"#,
        ]);
}

#[test]
fn what_is_no_longer_stated_and_owned_by_nobody_else_is_removed() {
    World::new(CONFIG_MAP)
        .apply("a", "{metadata: {name: c, labels: {l: x}}, data: {k: v, m: w}}")
        .apply("b", "data: {m: w}")
        .later()
        .apply("a", "data: {k: v}")
        .has("{metadata: {name: c}, data: {k: v, m: w}}")
        .owned(&[r#"b Apply - {"f:data":{"f:m":{}}}"#, r#"a Apply now {"f:data":{"f:k":{}}}"#])
        .apply("a", "metadata: {name: c}")
        .has("{metadata: {name: c}, data: {m: w}}")
        .owned(&[r#"b Apply - {"f:data":{"f:m":{}}}"#]);
}

#[test]
fn nothing_changes_and_no_time_when_the_same_is_applied_again() {
    let body = "{metadata: {name: c}, data: {k: v}}";
    World::new(CONFIG_MAP)
        .apply("a", body)
        .later()
        .apply("a", body)
        .owned(&[r#"a Apply before {"f:data":{"f:k":{}}}"#])
        .apply("b", body)
        .owned(&[r#"b Apply - {"f:data":{"f:k":{}}}"#, r#"a Apply before {"f:data":{"f:k":{}}}"#]);
}

#[test]
fn another_managers_value_is_a_conflict() {
    let world = World::new(CONFIG_MAP).apply("a", "data: {k: v, l: v}").refuses(
        "b",
        "data: {k: w}",
        "Apply failed with 1 conflict: conflict with \"a\": .data.k",
    );
    let world = world.update("kubectl-edit/status", "data: {k: v, l: v, m: v}").refuses(
        "b",
        "data: {k: w, l: w, m: w}",
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .data.k\n- .data.l\nconflicts with \"kubectl-edit\" with subresource \"status\" using v1:\n- .data.m",
    );
    world.apply("b", "data: {k: v}").owned(&[
        r#"b Apply - {"f:data":{"f:k":{}}}"#,
        r#"a Apply before {"f:data":{"f:k":{},"f:l":{}}}"#,
        r#"kubectl-edit Update/status before {"f:data":{"f:m":{}}}"#,
    ]);
}

#[test]
fn a_conflict_has_a_cause_per_field() {
    let mut world = World::new(CONFIG_MAP).apply("a", "data: {k: v, l: v}");
    let Err(Error::ApplyConflict { causes, .. }) = world.try_apply("b", false, "data: {k: w, l: w}") else {
        panic!("no conflict");
    };
    let causes: Vec<_> = causes
        .iter()
        .map(|cause| (cause.reason.as_str(), cause.message.as_str(), cause.field.as_str()))
        .collect();
    let cause = |field| ("FieldManagerConflict", "conflict with \"a\"", field);
    assert_eq!(causes, [cause(".data.k"), cause(".data.l")]);
}

#[test]
fn force_takes_fields_over() {
    World::new(CONFIG_MAP)
        .apply("a", "data: {k: v, l: v}")
        .later()
        .force("b", "data: {k: w}")
        .has("data: {k: w, l: v}")
        .owned(&[r#"a Apply before {"f:data":{"f:l":{}}}"#, r#"b Apply now {"f:data":{"f:k":{}}}"#]);
}

#[test]
fn an_update_takes_fields_and_apply_gives_them_up() {
    World::new(DEPLOYMENT)
        .apply("a", "spec: {replicas: 1, selector: {}}")
        .later()
        .update("hpa", "spec: {replicas: 5, selector: {}}")
        .owned(&[
            r#"a Apply before {"f:spec":{"f:selector":{}}}"#,
            r#"hpa Update now {"f:spec":{"f:replicas":{}}}"#,
        ])
        .refuses(
            "a",
            "spec: {replicas: 1, selector: {}}",
            "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas",
        )
        .apply("a", "spec: {selector: {}}")
        .has("spec: {replicas: 5, selector: {}}");
}

#[test]
fn items_of_lists_merge_by_their_keys() {
    World::new(POD)
        .apply("a", "spec: {containers: [{name: c, image: x, env: [{name: A, value: '1'}]}]}")
        .later()
        .apply("b", "spec: {containers: [{name: c, env: [{name: B, value: '2'}]}, {name: d, image: z}]}")
        .has("spec: {containers: [{name: c, image: x, env: [{name: A, value: '1'}, {name: B, value: '2'}]}, {name: d, image: z}]}")
        .owned(&[
            r#"a Apply before {"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:name":{}}}}}"#,
            r#"b Apply now {"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:env":{"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:value":{}}},"f:name":{}},"k:{\"name\":\"d\"}":{".":{},"f:image":{},"f:name":{}}}}}"#,
        ])
        .apply("b", "spec: {containers: [{name: c, env: [{name: B, value: '2'}]}]}")
        .has("spec: {containers: [{name: c, image: x, env: [{name: A, value: '1'}, {name: B, value: '2'}]}]}")
        .apply("b", "metadata: {}")
        .has("spec: {containers: [{name: c, image: x, env: [{name: A, value: '1'}]}]}");
}

#[test]
fn keys_that_are_left_out_have_their_default() {
    World::new(SERVICE)
        .update("kubectl-create", "spec: {ports: [{port: 80, protocol: TCP, targetPort: 80}, {port: 80, protocol: UDP}]}")
        .later()
        .apply("a", "spec: {ports: [{port: 80, name: web}]}")
        .has("spec: {ports: [{port: 80, name: web, protocol: TCP, targetPort: 80}, {port: 80, protocol: UDP}]}");
}

#[test]
fn the_body_orders_the_items_that_it_states() {
    let live = "spec: {containers: [{name: a}, {name: x}, {name: b}, {name: c}]}";
    World::new(POD)
        .update("u", live)
        .apply("m", "spec: {containers: [{name: c}, {name: new}, {name: a}]}")
        .has("spec: {containers: [{name: x}, {name: b}, {name: c}, {name: new}, {name: a}]}");
    World::new(POD)
        .update("u", live)
        .apply("m", "spec: {containers: [{name: a}, {name: new}, {name: c}]}")
        .has("spec: {containers: [{name: a}, {name: x}, {name: b}, {name: new}, {name: c}]}");
}

#[test]
fn sets_have_an_owner_per_value() {
    World::new(CONFIG_MAP)
        .apply("a", "metadata: {finalizers: [x/a, x/b]}")
        .apply("b", "metadata: {finalizers: [x/b, x/c]}")
        .has("metadata: {finalizers: [x/a, x/b, x/c]}")
        .apply("a", "metadata: {name: c}")
        .has("metadata: {finalizers: [x/b, x/c], name: c}")
        .owned(&[r#"b Apply before {"f:metadata":{"f:finalizers":{"v:\"x/b\"":{},"v:\"x/c\"":{}}}}"#]);
}

#[test]
fn atomic_values_have_one_owner() {
    World::new(SERVICE)
        .apply("a", "spec: {selector: {app: x}}")
        .refuses(
            "b",
            "spec: {selector: {tier: z}}",
            "Apply failed with 1 conflict: conflict with \"a\": .spec.selector",
        )
        .force("b", "spec: {selector: {tier: z}}")
        .has("spec: {selector: {tier: z}}")
        .owned(&[r#"b Apply before {"f:spec":{"f:selector":{}}}"#]);
}

#[test]
fn null_clears_a_field() {
    World::new(DEPLOYMENT)
        .update("u", "spec: {replicas: 3, minReadySeconds: 5, selector: {}}")
        .force("a", "spec: {replicas: null, selector: {}, template: {metadata: {labels: null}}}")
        .has("spec: {minReadySeconds: 5, selector: {}}");
}

#[test]
fn an_untracked_object_is_tracked_from_its_first_apply() {
    let mut world = World::new(CONFIG_MAP);
    world.object =
        Some(json::typed(untyped("data: {k: v, l: v}"), schema::builtin(), world.id(), None).unwrap());
    world
        .apply("a", "data: {k: v}")
        .owned(&[
            r#"a Apply - {"f:data":{"f:k":{}}}"#,
            r#"before-first-apply Update before {"f:data":{".":{},"f:k":{},"f:l":{}}}"#,
        ])
        .refuses(
            "a",
            "data: {k: w}",
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.k",
        );
}

#[test]
fn kubectl_takes_over_what_its_client_side_apply_set() {
    let annotation = r#"kubectl.kubernetes.io/last-applied-configuration"#;
    let last = r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"k":"v","l":"v"},"metadata":{"annotations":{},"name":"c"}}"#;
    let live = format!(
        "{{metadata: {{name: c, annotations: {{{annotation}: '{last}\n\n'}}}}, data: {{k: v, l: v}}}}"
    );
    let world = World::new(CONFIG_MAP).update("kubectl-client-side-apply", &live).later();
    let world = world.refuses(
        "other",
        "data: {k: w}",
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.k",
    );
    let world = world.apply("kubectl", "{metadata: {name: c}, data: {k: w}}");
    let applied = r#"{"apiVersion":"v1","data":{"k":"w"},"kind":"ConfigMap","metadata":{"name":"c"}}"#;
    assert_eq!(world.object.as_ref().unwrap().annotation(annotation), Some(format!("{applied}\n").as_str()));
    // A field that somebody changed since stays theirs.
    let world = World::new(CONFIG_MAP).update("kubectl-client-side-apply", &live);
    let changed =
        live.replace("l: v}}", "l: changed}}").replace("data: {k: v, l: v}", "data: {k: v, l: changed}");
    world.update("editor", &changed).refuses(
        "kubectl",
        "data: {k: w, l: w}",
        "Apply failed with 1 conflict: conflict with \"editor\" using v1: .data.l",
    );
}

#[test]
fn a_scale_is_owned_through_its_endpoint() {
    World::new(DEPLOYMENT)
        .apply("a", "spec: {replicas: 1, selector: {}}")
        .later()
        .force("hpa/scale", "spec: {replicas: 4}")
        .owned(&[
            r#"a Apply before {"f:spec":{"f:selector":{}}}"#,
            r#"hpa Apply/scale now {"f:spec":{"f:replicas":{}}}"#,
        ])
        .apply("a", "spec: {selector: {}}")
        .has("spec: {replicas: 4, selector: {}}");
}

#[test]
fn bodies_that_the_schema_does_not_allow_are_refused() {
    let refuses = |kind: KindName, body: &str, expected: &str| {
        let group = if kind.0.is_empty() { "/v1" } else { "apps/v1" };
        let body = format!("{{metadata: {{name: o, namespace: d}}, {body}}}");
        let text = format!("failed to create typed patch object (d/o; {group}, Kind={}): {expected}", kind.2);
        World::new(kind).refuses("m", &body, &text);
    };
    refuses(CONFIG_MAP, "foo: 1", ".foo: field not declared in schema");
    refuses(
        DEPLOYMENT,
        "spec: {template: {spec: {containers: [{name: a, imagee: x}]}}}",
        ".spec.template.spec.containers[name=\"a\"].imagee: field not declared in schema",
    );
    refuses(
        DEPLOYMENT,
        "spec: {template: {spec: {tolerations: [{kee: x}]}}}",
        ".spec.template.spec.tolerations[0].kee: field not declared in schema",
    );
    refuses(
        POD,
        "spec: {containers: [{name: a}, {name: a}]}",
        ".spec.containers: duplicate entries for key [name=\"a\"]",
    );
    refuses(
        SERVICE,
        "spec: {ports: [{port: 80}, {port: 80, protocol: TCP}]}",
        ".spec.ports: duplicate entries for key [port=80,protocol=\"TCP\"]",
    );
    refuses(CONFIG_MAP, "metadata2: 1", ".metadata2: field not declared in schema");
    refuses(
        DEPLOYMENT,
        "spec: {replicas: many}",
        ".spec.replicas: expected numeric (int or float), got string",
    );
    refuses(DEPLOYMENT, "spec: {paused: many}", ".spec.paused: expected boolean, got &{many}");
    refuses(CONFIG_MAP, "data: {a: 1}", ".data.a: expected string, got &value.valueUnstructured{Value:1}");
    refuses(CONFIG_MAP, "data: [1]", ".data: expected map, got &{[1]}");
    refuses(POD, "spec: {containers: {}}", ".spec.containers: expected list, got &{map[]}");
    refuses(
        POD,
        "spec: {containers: [null]}",
        ".spec.containers: element 0: associative list with keys may not have a null element",
    );
    refuses(
        DEPLOYMENT,
        "spec: {replicas: a, paused: b}",
        "errors:\n  .spec.paused: expected boolean, got &{b}\n  .spec.replicas: expected numeric (int or float), got string",
    );
    World::new(CONFIG_MAP).refuses(
        "m",
        "{apiVersion: v2, kind: ConfigMap}",
        "invalid object type: /v2, Kind=ConfigMap",
    );
    World::new(DEPLOYMENT).refuses(
        "m",
        "{apiVersion: apps/v1, kind: Pod}",
        "invalid object type: apps/v1, Kind=Pod",
    );
    World::new(CONFIG_MAP).refuses(
        "m",
        "metadata: {managedFields: []}",
        "metadata.managedFields must be nil",
    );
}
