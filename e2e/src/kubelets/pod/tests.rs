use super::*;

fn pod() -> Value {
    json!({
        "metadata": { "name": "web-1", "uid": "u1" },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "web", "image": "web:1" }],
        },
        "status": { "phase": "Pending" },
    })
}

fn about<'a>(addresses: &'a [String], now: &'a str) -> Circumstances<'a> {
    Circumstances {
        addresses,
        node_addresses: addresses,
        known_for: Duration::from_secs(2),
        running_for: None,
        terminating_for: None,
        start_after: Duration::ZERO,
        terminate_after: Duration::from_secs(1),
        now,
    }
}

fn addresses() -> Vec<String> {
    vec!["100.64.0.1".to_owned(), "fd64::1".to_owned()]
}

fn reported(mut pod: Value, about: &Circumstances<'_>) -> Value {
    let Step::Report(status) = step(&pod, about) else { panic!("a report: {:?}", step(&pod, about)) };
    pod["status"] = status;
    pod
}

#[test]
fn a_bound_pod_runs_and_is_ready_with_all_its_addresses() {
    let addresses = addresses();
    let pod = reported(pod(), &about(&addresses, "10:00"));
    let status = &pod["status"];
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["podIPs"], json!([{ "ip": "100.64.0.1" }, { "ip": "fd64::1" }]));
    assert_eq!(stored_condition(&pod, "Ready").unwrap()["status"], "True");
    assert_eq!(status["containerStatuses"][0]["state"]["running"]["startedAt"], "10:00");
}

#[test]
fn what_was_reported_is_not_reported_again() {
    let addresses = addresses();
    let pod = reported(pod(), &about(&addresses, "10:00"));
    let later = Circumstances { running_for: Some(Duration::from_secs(5)), ..about(&addresses, "10:05") };
    assert_eq!(step(&pod, &later), Step::Wait(None));
}

#[test]
fn a_slow_pod_waits_for_the_rest_of_its_time() {
    let addresses = addresses();
    let mut pod = pod();
    pod["metadata"]["annotations"] = json!({ behaviour::START_AFTER: "5" });
    assert_eq!(step(&pod, &about(&addresses, "10:00")), Step::Wait(Some(Duration::from_secs(3))));
}

#[test]
fn readiness_follows_the_annotation_and_the_gates() {
    let addresses = addresses();
    let running = Circumstances { running_for: Some(Duration::ZERO), ..about(&addresses, "10:05") };
    let mut pod = reported(pod(), &about(&addresses, "10:00"));
    pod["metadata"]["annotations"] = json!({ behaviour::READY: "false" });
    let unready = reported(pod.clone(), &running);
    let ready = stored_condition(&unready, "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["lastTransitionTime"]), (&json!("False"), &json!("10:05")));

    pod["metadata"]["annotations"] = json!({});
    pod["spec"]["readinessGates"] = json!([{ "conditionType": "balancer" }]);
    let gated = reported(pod, &running);
    assert_eq!(stored_condition(&gated, "Ready").unwrap()["status"], "False");
    assert_eq!(stored_condition(&gated, "ContainersReady").unwrap()["status"], "True");
}

#[test]
fn a_deleted_pod_stays_as_it_is_until_its_containers_end_and_is_then_removed() {
    let addresses = addresses();
    let mut pod = reported(pod(), &about(&addresses, "10:00"));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    let terminating = |milliseconds| Circumstances {
        running_for: Some(Duration::from_secs(9)),
        terminating_for: Some(Duration::from_millis(milliseconds)),
        ..about(&addresses, "10:09")
    };
    assert_eq!(step(&pod, &terminating(400)), Step::Wait(Some(Duration::from_millis(600))));
    let ended = reported(pod, &terminating(1000));
    assert_eq!(ended["status"]["phase"], "Succeeded");
    assert_eq!(stored_condition(&ended, "Ready").unwrap()["status"], "False");
    assert_eq!(ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert_eq!(step(&ended, &terminating(1000)), Step::Remove);
}

#[test]
fn containers_that_outlive_their_grace_period_are_killed() {
    let addresses = addresses();
    let mut pod = reported(pod(), &about(&addresses, "10:00"));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(1);
    let late = Circumstances {
        running_for: Some(Duration::from_secs(9)),
        terminating_for: Some(Duration::from_secs(1)),
        terminate_after: Duration::from_secs(60),
        ..about(&addresses, "10:09")
    };
    let ended = reported(pod, &late);
    assert_eq!(ended["status"]["phase"], "Failed");
    assert_eq!(ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
}

#[test]
fn a_deleted_pod_that_never_ran_is_removed() {
    let addresses = addresses();
    let never = Circumstances { terminating_for: Some(Duration::ZERO), ..about(&addresses, "10:00") };
    assert_eq!(step(&pod(), &never), Step::Remove);
}

#[test]
fn a_pod_whose_containers_exit_is_over() {
    let addresses = addresses();
    let mut pod = reported(pod(), &about(&addresses, "10:00"));
    pod["metadata"]["annotations"] = json!({ behaviour::EXIT_AFTER: "3", behaviour::EXIT_CODE: "2" });
    let after = |seconds| Circumstances {
        running_for: Some(Duration::from_secs(seconds)),
        ..about(&addresses, "10:05")
    };
    assert_eq!(step(&pod, &after(1)), Step::Wait(Some(Duration::from_secs(2))));
    assert_eq!(reported(pod.clone(), &after(3))["status"]["phase"], "Failed");
    pod["spec"]["restartPolicy"] = json!("Always");
    assert_eq!(step(&pod, &after(3)), Step::Wait(None), "it is started again");
}
