//! Jobs as people see them.

use jobs::{JobService, Outcome, Running};
use proto::auth::v1::Grant;
use proto::discovery::v1::{Crawl, Scan};
use proto::job::v1::job_command::{Change, CreateJob};
use proto::job::v1::job_service_server::JobService as _;
use proto::job::v1::{
    CancelJobRequest, DeleteJobRequest, GetJobRequest, Job, JobCommand, ListJobTargetsRequest,
    ListJobsRequest, job,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Author;
use tonic::Code;

use crate::common::{Member, Told, admin, crawl, over};

async fn list(service: &JobService, request: ListJobsRequest) -> (Vec<String>, String) {
    let listed = service.list_jobs(admin(request)).await.unwrap().into_inner();
    let ids = listed.jobs.into_iter().map(|job| job.id).collect();
    (ids, listed.next_page_token)
}

#[tokio::test]
async fn the_newest_comes_first_page_by_page() {
    let store = Store::in_memory();
    let service = JobService::new(store.clone());
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(crawl(&store, 1).await);
    }
    created.reverse();
    let (all, none) = list(&service, ListJobsRequest::default()).await;
    assert_eq!((all, none.as_str()), (created.clone(), ""));
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListJobsRequest {
            page_size: 2,
            page_token,
            ..ListJobsRequest::default()
        };
        let (ids, next) = list(&service, request).await;
        assert!(ids.len() <= 2);
        seen.extend(ids);
        page_token = next;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, created);
}

#[tokio::test]
async fn jobs_are_found_by_kind_and_by_whether_they_are_over() {
    let store = Store::in_memory();
    let service = JobService::new(store.clone());
    let author = Author::of("user/admin", None);
    let scan = Scan {
        targets: vec!["10.1.0.1".to_owned()],
        ..Scan::default()
    };
    let scan = jobs::create(&store, &author, job::Work::Scan(scan), Vec::new())
        .await
        .unwrap();
    let crawled = crawl(&store, 1).await;
    let of_kind = |kind: &str| ListJobsRequest {
        kind: kind.to_owned(),
        ..ListJobsRequest::default()
    };
    assert_eq!(
        list(&service, of_kind("scan")).await.0,
        std::slice::from_ref(&scan)
    );
    assert_eq!(
        list(&service, of_kind("crawl")).await.0,
        std::slice::from_ref(&crawled)
    );
    let wrong = service.list_jobs(admin(of_kind("scans"))).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(
        wrong.message().contains("power_transition"),
        "{}",
        wrong.message()
    );
    let cancel = CancelJobRequest { id: scan.clone() };
    let cancelled = service.cancel_job(admin(cancel)).await.unwrap().into_inner();
    assert_eq!(
        (cancelled.id, cancelled.state),
        (scan, job::State::Cancelled.into())
    );
    let active = ListJobsRequest {
        active: true,
        ..ListJobsRequest::default()
    };
    assert_eq!(list(&service, active).await.0, [crawled]);
}

#[tokio::test]
async fn targets_are_shown_by_state_and_page() {
    let store = Store::in_memory();
    let service = JobService::new(store.clone());
    let work = Told::crawl(|running: Running| async move {
        for target in running.targets() {
            let outcome = match target.place % 2 {
                0 => Outcome::Succeeded(String::new()),
                _ => Outcome::failed("no", "look"),
            };
            running.report(target.place, outcome);
        }
    });
    let _member = Member::start(&store, 1, work);
    let id = crawl(&store, 6).await;
    over(&store, &id).await;
    let request = |state: &[&str], page_size: u32, page_token: String| ListJobTargetsRequest {
        id: id.clone(),
        state: state.iter().map(|text| (*text).to_owned()).collect(),
        page_size,
        page_token,
    };
    let failed = request(&["failed"], 2, String::new());
    let first = service
        .list_job_targets(admin(failed))
        .await
        .unwrap()
        .into_inner();
    let places: Vec<u32> = first.targets.iter().map(|target| target.place).collect();
    assert_eq!(places, [1, 3]);
    let rest = request(&["failed"], 2, first.next_page_token);
    let rest = service.list_job_targets(admin(rest)).await.unwrap().into_inner();
    assert_eq!((rest.targets[0].place, rest.next_page_token.as_str()), (5, ""));
    let either = request(&["failed", "succeeded"], 0, String::new());
    let either = service
        .list_job_targets(admin(either))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(either.targets.len(), 6);
    let wrong = service.list_job_targets(admin(request(&["done"], 0, String::new())));
    let wrong = wrong.await.unwrap_err();
    assert!(
        wrong.message().contains("`done` is no state; write waiting"),
        "{}",
        wrong.message()
    );
}

#[tokio::test]
async fn what_is_not_there_or_not_over_is_told() {
    let store = Store::in_memory();
    let service = JobService::new(store.clone());
    let get = GetJobRequest {
        id: "none".to_owned(),
    };
    let missing = service.get_job(admin(get)).await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.message()),
        (Code::NotFound, "no such job: none")
    );
    let id = crawl(&store, 1).await;
    let get = GetJobRequest { id: id.clone() };
    let job = service.get_job(admin(get)).await.unwrap().into_inner();
    assert_eq!(
        (job.state(), job.principal.as_str()),
        (job::State::Waiting, "user/admin")
    );
    let delete = || DeleteJobRequest { id: id.clone() };
    let active = service.delete_job(admin(delete())).await.unwrap_err();
    assert_eq!(active.code(), Code::FailedPrecondition, "{}", active.message());
    let cancel = || CancelJobRequest { id: id.clone() };
    service.cancel_job(admin(cancel())).await.unwrap();
    let again = service.cancel_job(admin(cancel())).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "{}", again.message());
    service.delete_job(admin(delete())).await.unwrap();
    assert!(store.state().jobs.get(&id).is_none());
}

/// Who may see jobs need not know by which token or session somebody else came.
#[tokio::test]
async fn what_gave_its_author_the_right_is_not_shown() {
    let store = Store::in_memory();
    let service = JobService::new(store.clone());
    let job = Job {
        work: Some(job::Work::Crawl(Crawl::default())),
        principal: "user/ada".to_owned(),
        grant: Some(Grant {
            session_id: "00c0ffee00c0ffee".to_owned(),
            ..Grant::default()
        }),
        ..Job::default()
    };
    let create = Change::CreateJob(CreateJob {
        job: Some(job),
        targets: vec!["x0c0s0b0".to_owned()],
    });
    let command = Command::Job(JobCommand { change: Some(create) });
    let created = store.propose("member/1", command, None).await.unwrap();
    let id = created.applied.value;
    assert!(store.state().jobs.get(&id).unwrap().grant.is_some());
    let get = GetJobRequest { id: id.clone() };
    let got = service.get_job(admin(get)).await.unwrap().into_inner();
    let listed = service.list_jobs(admin(ListJobsRequest::default())).await;
    let listed = listed.unwrap().into_inner().jobs;
    let cancelled = service.cancel_job(admin(CancelJobRequest { id })).await;
    for shown in [got, listed[0].clone(), cancelled.unwrap().into_inner()] {
        assert_eq!((shown.principal.as_str(), shown.grant), ("user/ada", None));
    }
}
