use super::*;
use crate::codec::json;
use crate::schema::{self, apply_defaults};

#[track_caller]
fn check(group: &str, kind: &str, text: &str, expected: &[&str]) {
    let id = schema::kind(group, "v1", kind).unwrap();
    let map = json::decode(text.as_bytes(), schema::builtin(), id, None).unwrap();
    let mut errors = FieldErrors::new();
    validate(&map, None, schema::builtin(), id, &mut errors);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected);
}

#[test]
fn required_texts_and_enumerations_are_checked_outside_of_status() {
    check(
        "",
        "Pod",
        r#"{"spec":{"containers":[{"name":"","env":[{"value":"x"}],"imagePullPolicy":"Sometimes"}],"restartPolicy":"X"},
            "status":{"phase":"X","containerStatuses":[{"name":""}]}}"#,
        &[
            "spec.containers[0].name: Required value",
            "spec.containers[0].env[0].name: Required value",
            r#"spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never""#,
            r#"spec.restartPolicy: Unsupported value: "X": supported values: "Always", "Never", "OnFailure""#,
        ],
    );
    check("storage.k8s.io", "StorageClass", "{}", &["provisioner: Required value"]);
}

#[test]
fn what_the_types_say_counts_only_where_nothing_else_is_wrong() {
    let id = schema::kind("", "v1", "Pod").unwrap();
    let text = br#"{"spec":{"containers":[{"name":""}],"restartPolicy":"X"}}"#;
    let map = json::decode(text, schema::builtin(), id, None).unwrap();
    let mut errors = FieldErrors::new();
    errors.required(&Path::new("spec").child("containers"), "said by the kind");
    validate(&map, None, schema::builtin(), id, &mut errors);
    assert_eq!(errors.iter().count(), 1);
}

#[test]
fn empty_values_of_headers_and_sysctls_are_fine() {
    let text = r#"{"spec":{"securityContext":{"sysctls":[{"name":"a"}]},"containers":[{"name":"a","livenessProbe":
        {"httpGet":{"port":1,"httpHeaders":[{"name":"x","value":""}]}}}]}}"#;
    check("", "Pod", text, &[]);
}

#[test]
fn limits_formats_and_uniqueness_are_checked() {
    let claim = |names: &[usize]| {
        let request = |i: &usize| format!(r#"{{"name":"a{i}","exactly":{{"deviceClassName":"x"}}}}"#);
        let requests: Vec<String> = names.iter().map(request).collect();
        format!(r#"{{"spec":{{"devices":{{"requests":[{}]}}}}}}"#, requests.join(","))
    };
    const TOO_MANY: &[&str] = &["spec.devices.requests: Too many: 34: must have at most 32 items"];
    check(
        "resource.k8s.io",
        "ResourceClaim",
        &claim(&[1, 1]),
        &[r#"spec.devices.requests[1]: Duplicate value: {"name":"a1"}"#],
    );
    check("resource.k8s.io", "ResourceClaim", &claim(&[1; 34]), TOO_MANY);
    check("resource.k8s.io", "ResourceClaim", &claim(&(0..34).collect::<Vec<usize>>()), TOO_MANY);
    check(
        "autoscaling",
        "Scale",
        r#"{"spec":{"replicas":-1}}"#,
        &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    );
}

#[test]
fn immutable_fields_may_not_change() {
    let id = schema::kind("storage.k8s.io", "v1", "StorageClass").unwrap();
    let decode = |text: &str| json::decode(text.as_bytes(), schema::builtin(), id, None).unwrap();
    let (new, old) = (decode(r#"{"provisioner":"a"}"#), decode(r#"{"provisioner":"b"}"#));
    let mut errors = FieldErrors::new();
    validate_update(&new, &old, schema::builtin(), id, &mut errors);
    assert_eq!(errors.to_string(), r#"provisioner: Invalid value: "a": field is immutable"#);
}

#[test]
fn declared_defaults_are_set_where_their_struct_is() {
    let id = schema::kind("", "v1", "Pod").unwrap();
    let text = r#"{"spec":{"containers":[{"name":"a","ports":[{"containerPort":1}],"livenessProbe":{"grpc":{"port":1}}}],
        "volumes":[{"name":"a","azureDisk":{}},{"name":"b","emptyDir":{}}]}}"#;
    let mut map = json::decode(text.as_bytes(), schema::builtin(), id, None).unwrap();
    apply_defaults(&mut map, schema::builtin(), id);
    let mut out = Vec::new();
    json::encode(&map, schema::builtin(), id, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"metadata":{},"spec":{"volumes":[{"name":"a","azureDisk":{"diskName":"","diskURI":"","#,
            r#""cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"}},{"name":"b","emptyDir":{}}],"#,
            r#""containers":[{"name":"a","ports":[{"containerPort":1,"protocol":"TCP"}],"resources":{},"#,
            r#""livenessProbe":{"grpc":{"port":1,"service":""}}}]},"status":{}}"#
        )
    );
}
