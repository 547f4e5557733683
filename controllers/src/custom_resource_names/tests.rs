use super::*;
use crate::fake::{Fault, Harness};

const DEFINITIONS: &Resource = CustomResourceDefinition::RESOURCE;

fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
    json!({
        "metadata": { "name": format!("{plural}.example.com") },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {
                "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"),
                "shortNames": short,
            },
            "versions": [
                { "name": "v1", "served": true, "storage": true },
                { "name": "v2", "served": false, "storage": false },
            ],
        },
    })
}

fn condition(harness: &Harness, name: &str, kind: &str) -> String {
    let object = harness.api.object(DEFINITIONS, "", name).unwrap();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|it| it["type"] == kind);
    found.map_or("none".to_owned(), |it| {
        format!("{} {} {}", it["status"], it["reason"], it["message"]).replace('"', "")
    })
}

#[tokio::test]
async fn names_that_nobody_has_are_accepted_and_the_served_version_gets_its_api_service() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(DEFINITIONS, definition("widgets", "Widget", &["w"]));
    harness.start();
    harness.settle().await;
    assert_eq!(
        condition(&harness, "widgets.example.com", "NamesAccepted"),
        "True NoConflicts no conflicts found"
    );
    assert_eq!(
        condition(&harness, "widgets.example.com", "Established"),
        "True InitialNamesAccepted the initial names have been accepted"
    );
    let object = harness.api.object(DEFINITIONS, "", "widgets.example.com").unwrap();
    assert_eq!(object["status"]["acceptedNames"]["shortNames"], json!(["w"]));
    assert_eq!(harness.api.names(ApiService::RESOURCE, ""), ["v1.example.com"]);
    harness.api.take_writes();
    harness.start();
    harness.settle().await;
    assert!(harness.api.take_writes().is_empty());
}

#[tokio::test]
async fn of_two_definitions_with_one_kind_the_first_has_it_until_it_goes() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(DEFINITIONS, definition("alphas", "Widget", &["w"]));
    harness.api.put(DEFINITIONS, definition("betas", "Widget", &["w"]));
    harness.start();
    harness.settle().await;
    assert!(condition(&harness, "alphas.example.com", "Established").starts_with("True"));
    assert_eq!(
        condition(&harness, "betas.example.com", "NamesAccepted"),
        "False ListKindConflict \\WidgetList\\ is already in use"
    );
    assert_eq!(
        condition(&harness, "betas.example.com", "Established"),
        "False NotAccepted not all names are accepted"
    );
    harness.api.remove(DEFINITIONS, "", "alphas.example.com");
    harness.settle().await;
    assert!(condition(&harness, "betas.example.com", "Established").starts_with("True"));
}

#[tokio::test]
async fn an_established_definition_stays_so_when_new_names_are_in_use() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(DEFINITIONS, definition("alphas", "Alpha", &["a"]));
    harness.api.put(DEFINITIONS, definition("betas", "Beta", &["b"]));
    harness.start();
    harness.settle().await;
    let mut object = harness.api.object(DEFINITIONS, "", "betas.example.com").unwrap();
    object["spec"]["names"]["shortNames"] = json!(["b", "a"]);
    harness.api.put(DEFINITIONS, object);
    harness.settle().await;
    assert_eq!(
        condition(&harness, "betas.example.com", "NamesAccepted"),
        "False ShortNamesConflict \\a\\ is already in use"
    );
    assert!(condition(&harness, "betas.example.com", "Established").starts_with("True"));
    let object = harness.api.object(DEFINITIONS, "", "betas.example.com").unwrap();
    assert_eq!(object["status"]["acceptedNames"]["shortNames"], json!(["b"]));
}

#[tokio::test]
async fn api_services_go_with_what_they_were_made_for_and_come_back_when_somebody_deletes_them() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(DEFINITIONS, definition("widgets", "Widget", &[]));
    let own = json!({
        "metadata": { "name": "v1.other.com", "labels": {} },
        "spec": { "group": "other.com", "version": "v1" },
    });
    harness.api.put(ApiService::RESOURCE, own);
    harness.start();
    harness.settle().await;
    harness.api.remove(ApiService::RESOURCE, "", "v1.example.com");
    harness.settle().await;
    assert_eq!(harness.api.names(ApiService::RESOURCE, ""), ["v1.example.com", "v1.other.com"]);
    harness.api.remove(DEFINITIONS, "", "widgets.example.com");
    harness.settle().await;
    assert_eq!(harness.api.names(ApiService::RESOURCE, ""), ["v1.other.com"]);
}

#[tokio::test]
async fn a_lost_answer_and_a_restart_change_nothing() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.fail(Fault::lost_answer("patch customresourcedefinitions"));
    harness.api.put(DEFINITIONS, definition("widgets", "Widget", &[]));
    harness.start();
    harness.settle().await;
    let first = harness.api.object(DEFINITIONS, "", "widgets.example.com").unwrap();
    harness.start();
    harness.pass(std::time::Duration::from_secs(60)).await;
    assert_eq!(harness.api.object(DEFINITIONS, "", "widgets.example.com").unwrap(), first);
}

#[test]
fn groups_of_the_project_say_who_approved_them() {
    let held = |group: &str, annotation: &str| {
        let mut digest = CustomResourceDefinition::default();
        digest.spec.group = group.into();
        digest.metadata.annotations.insert("api-approved.kubernetes.io".into(), annotation.into());
        Held::new(crate::api::Meta::default(), digest, false)
    };
    let verdict =
        |group, annotation| approval(&held(group, annotation)).map(|(status, reason, _)| (status, reason));
    assert_eq!(verdict("a.k8s.io", "https://x"), Some(("True", "ApprovedAnnotation")));
    assert_eq!(verdict("kubernetes.io", "unapproved, trial"), Some(("False", "UnapprovedAnnotation")));
    assert_eq!(verdict("ak8s.io", "https://x"), None);
}
