//! CertificateSigningRequest: a wish for a certificate. Keeps: the requester is who really asked; the wish never
//! changes; an approval or denial is made through its own endpoint and never taken back.

use std::collections::HashSet;

use crate::age;
use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Action, Context, FieldValue, Kind, NameRule, Names, Scope, Selectable, Subresource, VIEW_VERBS,
    Version, View, column,
};
use crate::names;
use crate::tree::{List, Map, Node};

mod conditions;
mod request;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "CertificateSigningRequest",
        plural: "certificatesigningrequests",
        singular: "certificatesigningrequest",
        short: &["csr"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.CertificateSigningRequest",
    )],
    subresources: &[APPROVAL, kind::status(prepare_status, conditions::validate_status)],
    columns: &[
        kind::NAME,
        kind::AGE,
        column("SignerName", "string", |it, _| or_none(it.str_at(&["spec", "signerName"]))),
        column("Requestor", "string", |it, _| it.str_at(&["spec", "username"]).into()),
        column("RequestedDuration", "string", requested_duration),
        column("Condition", "string", condition),
    ],
    selectable: &[Selectable {
        name: "spec.signerName",
        value: FieldValue::At(&["spec", "signerName"]),
        indexed: false,
    }],
    name_rule: NameRule::PathSegment,
    prepare_for_create,
    prepare_for_update,
    validate,
    ..Kind::DEFAULT
};

const APPROVAL: Subresource = Subresource {
    name: "approval",
    verbs: VIEW_VERBS,
    body: None,
    action: Action::View(View { prepare: prepare_approval, validate: conditions::validate_approval }),
};

const SPEC: Path<'static> = Path::new("spec");
const EXPIRATION_SECONDS_MIN: i64 = 600;

fn or_none(text: &str) -> Node {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

fn requested_duration(request: &Map, _: i64) -> Node {
    match request.at(&["spec", "expirationSeconds"]).and_then(Node::as_int) {
        Some(seconds) => age::human_duration(seconds).into(),
        None => "<none>".into(),
    }
}

fn condition(request: &Map, _: i64) -> Node {
    let has = |kind| conditions::of(request).any(|condition| condition.str("type") == kind);
    let mut text = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        text.push_str(",Failed");
    }
    if !request.str_at(&["status", "certificate"]).is_empty() {
        text.push_str(",Issued");
    }
    text.into()
}

fn prepare_for_create(request: &mut Map, context: &Context<'_>) {
    kind::clear_status(request, context);
    let user = context.user;
    let spec = request.map_mut("spec");
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    for (field, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            spec.set(field, text.as_str());
        }
    }
    let texts = |values: &[String]| values.iter().map(String::as_str).map(Node::from).collect::<List>();
    if !user.groups.is_empty() {
        spec.set("groups", texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let extra: Map = user
            .extra
            .iter()
            .map(|(key, values)| (ecow::EcoString::from(key.as_str()), texts(values)))
            .collect();
        spec.set("extra", extra);
    }
}

/// The wish stays as it was made.
fn prepare_for_update(request: &mut Map, old: &Map, _: &Context<'_>) {
    match old.get("spec") {
        Some(spec) => request.set("spec", spec.clone()),
        None => {
            request.remove("spec");
        }
    }
}

fn prepare_status(request: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(request, old, context);
    conditions::fill_times(request, old, context.now);
}

fn prepare_approval(request: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(request, old, context);
    let conditions = request.at(&["status", "conditions"]).cloned();
    match old.get("status") {
        Some(status) => request.set("status", status.clone()),
        None => {
            request.remove("status");
        }
    }
    match conditions {
        Some(conditions) => request.map_mut("status").set("conditions", conditions),
        None => {
            if let Some(status) = request.existing_map_mut("status") {
                status.remove("conditions");
            }
        }
    }
    conditions::fill_times(request, old, context.now);
}

fn validate(request: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = request.map("spec").unwrap_or(&empty);
    if let Err(fault) = request::check(spec.str("request")) {
        let value = spec.get("request").cloned().unwrap_or_default();
        errors.invalid(&SPEC.child("request"), value, fault);
    }
    validate_usages(spec, errors);
    let path = SPEC.child("signerName");
    match spec.str("signerName") {
        "kubernetes.io/legacy-unknown" => errors.invalid(
            &path,
            "kubernetes.io/legacy-unknown",
            "the legacy signerName is not allowed via this API version",
        ),
        name => names::signer::validate(name, &path, errors),
    }
    if let Some(seconds) = spec.int("expirationSeconds").filter(|it| *it < EXPIRATION_SECONDS_MIN) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&SPEC.child("expirationSeconds"), seconds, detail);
    }
    conditions::validate(request, errors);
}

/// Usages that a certificate can have.
const USAGES: [&str; 23] = [
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
];

fn validate_usages(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("usages");
    let usages: Vec<&str> = spec.list("usages").iter().filter_map(Node::as_str).collect();
    if usages.is_empty() {
        errors.required(&path, "");
    }
    let mut seen = HashSet::new();
    for (i, usage) in usages.iter().enumerate() {
        if !USAGES.contains(usage) {
            errors.not_supported(&path.index(i), *usage, &USAGES);
        }
        if !seen.insert(*usage) {
            errors.duplicate(&path.index(i), *usage);
        }
    }
}
