use futures_util::future::join_all;
use http::Method;

use super::*;
use crate::fixture::{self, request};
use crate::negotiation::Form;
use crate::pipeline::{Answer, Server};
use crate::registry::Registry;
use crate::request::Request;
use crate::tree::List;
use crate::user::User;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Runs `body` with a server that holds the map `m`.
fn serving<T>(body: impl AsyncFnOnce(&Server) -> T) -> T {
    fixture::serving(async |server| {
        ask(server, Method::POST, MAPS, "", r#"{"metadata":{"name":"m"}}"#).await;
        body(server).await
    })
}

async fn ask(server: &Server, method: Method, path: &str, content_type: &'static str, body: &str) -> Reply {
    let asked = request(method, path, content_type, body);
    server.call(&User::apiserver(), &asked, Ok(Form::JSON)).await.reply.unwrap()
}

/// Sends all requests at once and answers their answers and the data that is left in the map.
fn at_once(requests: &[Request]) -> (Vec<Answer>, Map) {
    serving(async |server| {
        let user = User::apiserver();
        let answers =
            join_all(requests.iter().map(|request| server.call(&user, request, Ok(Form::JSON)))).await;
        let resource = Registry::builtin().find("", "v1", "configmaps").unwrap();
        let left = server.view().object(resource, "default", "m").unwrap();
        (answers, left.map("data").cloned().unwrap_or_default())
    })
}

#[test]
fn patches_of_one_object_at_once_are_all_applied() {
    let patch = |n| {
        let body = format!(r#"{{"data":{{"key-{n}":"value"}}}}"#);
        request(Method::PATCH, &format!("{MAPS}/m"), "application/merge-patch+json", &body)
    };
    let patches: Vec<Request> = (0..16).map(patch).collect();
    let (answers, data) = at_once(&patches);
    for answer in answers {
        assert!(answer.reply.is_ok(), "{:?}", answer.reply.err());
    }
    assert_eq!(data.len(), patches.len());
}

#[test]
fn updates_without_a_version_at_once_are_all_applied() {
    let body = r#"{"metadata":{"name":"m"},"data":{"key":"value"}}"#;
    let update = request(Method::PUT, &format!("{MAPS}/m"), "application/json", body);
    let updates = vec![update; 8];
    let (answers, data) = at_once(&updates);
    assert!(answers.iter().all(|answer| answer.reply.is_ok()));
    assert_eq!(data.str("key"), "value");
}

#[test]
fn creates_of_one_name_at_once_make_one_object() {
    let body = r#"{"metadata":{"name":"other"}}"#;
    let creates = vec![request(Method::POST, MAPS, "application/json", body); 8];
    let (answers, _) = at_once(&creates);
    let made = answers.iter().filter(|answer| answer.reply.is_ok()).count();
    let refused = |answer: &&Answer| matches!(answer.reply, Err(Error::AlreadyExists { .. }));
    assert_eq!((made, answers.iter().filter(refused).count()), (1, creates.len() - 1));
}

#[test]
fn a_write_of_another_term_is_refused_whatever_it_is() {
    serving(async |server| {
        let user = User::apiserver();
        let map = format!("{MAPS}/m");
        let merge = "application/merge-patch+json";
        let term = server.store.leadership().borrow().term;
        for (method, path, content_type, body) in [
            (Method::POST, MAPS, "", r#"{"metadata":{"name":"n"}}"#),
            (Method::PUT, map.as_str(), "", r#"{"metadata":{"name":"m"},"data":{"a":"b"}}"#),
            (Method::PATCH, map.as_str(), merge, r#"{"data":{"c":"d"}}"#),
            (Method::DELETE, map.as_str(), "", ""),
            (Method::DELETE, MAPS, "", ""),
        ] {
            let asked = request(method.clone(), path, content_type, body);
            let fenced = Request { fence: Some(term + 1), ..asked.clone() };
            let Err(error) = server.call(&user, &fenced, Ok(Form::JSON)).await.reply else {
                panic!("{method} {path} was applied")
            };
            assert_eq!(error.status().code, 503, "{method} {path}");
            let current = Request { fence: Some(term), ..asked };
            let refused = server.call(&user, &current, Ok(Form::JSON)).await.reply.err();
            assert!(refused.is_none(), "{method} {path}: {refused:?}");
        }
    });
}

#[test]
fn the_update_that_ends_an_object_answers_what_it_made_of_it() {
    serving(async |server| {
        let (map, merge) = (format!("{MAPS}/m"), "application/merge-patch+json");
        let held = r#"{"metadata":{"finalizers":["example.com/hold"]}}"#;
        ask(server, Method::PATCH, &map, merge, held).await;
        ask(server, Method::DELETE, &map, "", "").await;
        let Reply::Tree(last) =
            ask(server, Method::PATCH, &map, merge, r#"{"metadata":{"finalizers":null}}"#).await
        else {
            panic!("the object that was is answered")
        };
        let metadata = last.object.metadata().unwrap();
        assert!(metadata.contains("deletionTimestamp") && !metadata.contains("finalizers"));
        let resource = Registry::builtin().find("", "v1", "configmaps").unwrap();
        assert!(server.view().entry(resource, "default", "m").is_none());
    });
}

#[test]
fn a_namespace_is_deleted_without_a_grace_period() {
    serving(async |server| {
        ask(server, Method::POST, "/api/v1/namespaces", "", r#"{"metadata":{"name":"n"}}"#).await;
        ask(server, Method::DELETE, "/api/v1/namespaces/n", "", "").await;
        let resource = Registry::builtin().find("", "v1", "namespaces").unwrap();
        let namespace = server.view().object(resource, "", "n").unwrap();
        let metadata = namespace.metadata().unwrap();
        assert!(metadata.contains("deletionTimestamp") && !metadata.contains("deletionGracePeriodSeconds"));
    });
}

#[test]
fn a_delete_without_a_policy_leaves_the_pods_of_jobs_and_replication_controllers() {
    let template = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}"#;
    let job = format!(r#"{{"metadata":{{"name":"o"}},"spec":{{"template":{template}}}}}"#);
    let spec = template.replace("Never", "Always");
    let controller =
        format!(r#"{{"metadata":{{"name":"o"}},"spec":{{"selector":{{"a":"b"}},"template":{spec}}}}}"#);
    serving(async |server| {
        for (group, plural, body) in [("batch", "jobs", job), ("", "replicationcontrollers", controller)] {
            let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
            let all = format!("{root}/namespaces/default/{plural}");
            let one = format!("{all}/o");
            let finalizers = || {
                let resource = Registry::builtin().find(group, "v1", plural).unwrap();
                let object = server.view().object(resource, "default", "o")?;
                Some(List::from(object.metadata().unwrap().list("finalizers")))
            };
            ask(server, Method::POST, &all, "", &body).await;
            ask(server, Method::DELETE, &one, "", "").await;
            assert_eq!(finalizers(), Some(List::from_iter([Node::from("orphan")])));
            ask(server, Method::DELETE, &one, "", r#"{"propagationPolicy":"Background"}"#).await;
            assert_eq!(finalizers(), None);
        }
    });
}

#[test]
fn limits_in_a_quotas_status_stay_as_written_and_its_usage_is_counted() {
    serving(async |server| {
        let quotas = "/api/v1/namespaces/default/resourcequotas";
        let quota = r#"{"metadata":{"name":"q"},"spec":{"hard":{"configmaps":"5"}}}"#;
        ask(server, Method::POST, quotas, "", quota).await;
        let status = r#"{"status":{"hard":{"configmaps":"6"},"used":{"configmaps":"9"}}}"#;
        let merge = "application/merge-patch+json";
        ask(server, Method::PATCH, &format!("{quotas}/q/status"), merge, status).await;
        let resource = Registry::builtin().find("", "v1", "resourcequotas").unwrap();
        let status = server.view().object(resource, "default", "q").unwrap().map("status").cloned().unwrap();
        assert_eq!(status.str_at(&["hard", "configmaps"]), "6");
        // The map `m` and the root certificate.
        assert_eq!(status.str_at(&["used", "configmaps"]), "2");
    });
}
