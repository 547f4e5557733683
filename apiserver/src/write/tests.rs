use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;

use super::*;
use crate::clock::SystemClock;
use crate::cluster::Cluster;
use crate::negotiation::Form;
use crate::pipeline::{Answer, Server};
use crate::request::{Attributes, Query, Request};
use crate::storage::Store;
use crate::user::User;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn request(method: Method, path: &str, content_type: &'static str, body: &str) -> Request {
    let query = Query::parse("");
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    let attributes = Attributes::parse(&method, path, &query);
    Request { attributes, method, query, headers, body: Bytes::from(body.to_owned()), fence: None }
}

/// Creates the map `m`, sends all requests at once and answers their answers and the data that is left.
fn at_once(requests: &[Request]) -> (Vec<Answer>, Map) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(pintle_store::Options::new(directory.path().join("data"))).unwrap();
        let server = Server::new(store.clone(), Cluster::default(), Arc::new(SystemClock::default()));
        let server = Arc::new(server);
        server.start().await.unwrap();
        let user = User::apiserver();
        let create = request(Method::POST, MAPS, "", r#"{"metadata":{"name":"m"}}"#);
        let call = |request| server.call(&user, request, Ok(Form::JSON));
        assert!(call(&create).await.reply.is_ok());
        let answers = join_all(requests.iter().map(call)).await;
        let resource = server.registry.find("", "v1", "configmaps").unwrap();
        let left = server.view().object(resource, "default", "m").unwrap();
        store.shutdown().await;
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
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(pintle_store::Options::new(directory.path().join("data"))).unwrap();
        let server = Server::new(store.clone(), Cluster::default(), Arc::new(SystemClock::default()));
        let server = Arc::new(server);
        server.start().await.unwrap();
        let user = User::apiserver();
        let create = request(Method::POST, MAPS, "", r#"{"metadata":{"name":"m"}}"#);
        assert!(server.call(&user, &create, Ok(Form::JSON)).await.reply.is_ok());
        let map = format!("{MAPS}/m");
        let merge = "application/merge-patch+json";
        let term = store.leadership().borrow().term;
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
        store.shutdown().await;
    });
}
