//! Credentials for AWS from services of the tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_client::Variables;
use http_client::aws::{AwsError, AwsIdentity, AwsOptions, Credentials};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use yaml::Secret;

use crate::support::{read_head, serve};

type Asked = Arc<Mutex<Vec<String>>>;

/// A service that gives `answer(request)`, status line and body; and what it was sent.
async fn serve_text(
    answer: impl Fn(&str) -> (&'static str, String) + Clone + Send + 'static,
) -> (String, Asked) {
    let asked = Asked::default();
    let kept = asked.clone();
    let address = serve(move |mut stream: TcpStream| {
        let (answer, kept) = (answer.clone(), kept.clone());
        async move {
            let mut text = read_head(&mut stream).await.unwrap_or_default();
            let size = text.split("content-length: ").nth(1);
            let size = size.and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; size.map_or(0, |size| size.parse().unwrap())];
            stream.read_exact(&mut body).await.unwrap();
            text.push_str(&String::from_utf8(body).unwrap());
            let (status, body) = answer(&text);
            kept.lock().push(text);
            let size = body.len();
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await;
    (format!("http://{address}"), asked)
}

fn role_answer(key: &str) -> (&'static str, String) {
    let body = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>role s3cret</SecretAccessKey><SessionToken>role t0ken</SessionToken>\
         <Expiration>2099-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult>\
         </AssumeRoleResponse>"
    );
    ("200 OK", body)
}

fn document(key: &str, end: SystemTime) -> (&'static str, String) {
    let end = jiff::Timestamp::try_from(end).unwrap();
    let body = format!(
        r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s3cret","Token":"t0ken","Expiration":"{end}"}}"#
    );
    ("200 OK", body)
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn credentials(options: AwsOptions, variables: Variables) -> Result<Credentials, AwsError> {
    let identity = AwsIdentity::new(options, variables, "test/1").unwrap();
    identity.credentials(deadline()).await
}

#[tokio::test]
async fn keys_of_the_configuration_and_the_environment_need_nobody() {
    let options = AwsOptions {
        access_key: "C".to_owned(),
        secret_key: Secret::new("s"),
        ..AwsOptions::default()
    };
    let found = credentials(options, Variables::of([])).await.unwrap();
    assert_eq!(found.access_key_id, "C");
    let variables = Variables::of([
        ("AWS_ACCESS_KEY_ID", "E"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "t0ken"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ]);
    let identity = AwsIdentity::new(AwsOptions::default(), variables, "test/1").unwrap();
    let found = identity.credentials(deadline()).await.unwrap();
    assert_eq!(found.access_key_id, "E");
    assert_eq!(found.session_token, Some(Secret::new("t0ken")));
    assert_eq!(identity.region(deadline()).await.unwrap(), "eu-west-1");
    let shown = format!("{identity:?} {found:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("t0ken"),
        "{shown}"
    );
}

#[tokio::test]
async fn roles_of_a_profile_and_of_the_configuration_are_assumed() {
    let (sts, asked) = serve_text(|text| {
        role_answer(if text.contains("RoleArn=first") {
            "ONE"
        } else {
            "TWO"
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = (
        folder.path().join("config"),
        folder.path().join("credentials"),
    );
    let profile = "[profile p]\nregion = eu-west-1\nrole_arn = first\nsource_profile = base\n\
                   role_session_name = me\n";
    std::fs::write(&config, profile).unwrap();
    std::fs::write(
        &keys,
        "[base]\naws_access_key_id = B\naws_secret_access_key = s\n",
    )
    .unwrap();
    let variables = Variables::of([
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", keys.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ]);
    let options = AwsOptions {
        profile: "p".to_owned(),
        role_arn: "second".to_owned(),
        external_id: "x y".to_owned(),
        ..AwsOptions::default()
    };
    let identity = AwsIdentity::new(options, variables, "test/1").unwrap();
    assert_eq!(identity.region(deadline()).await.unwrap(), "eu-west-1");
    for _ in 0..2 {
        let found = identity.credentials(deadline()).await.unwrap();
        assert_eq!(found.access_key_id, "TWO");
        assert_eq!(found.session_token, Some(Secret::new("role t0ken")));
    }
    let asked = asked.lock().clone();
    assert_eq!(asked.len(), 2, "they are kept");
    assert!(asked[0].starts_with("POST / HTTP/1.1\r\n"), "{}", asked[0]);
    let expected = "\r\n\r\nVersion=2011-06-15&Action=AssumeRole&DurationSeconds=900&RoleArn=first\
                    &RoleSessionName=me";
    assert!(asked[0].ends_with(expected), "{}", asked[0]);
    assert!(asked[0].contains("Credential=B/"), "{}", asked[0]);
    assert!(
        asked[0]
            .contains("/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, ")
    );
    assert!(asked[1].contains("Credential=ONE/"), "{}", asked[1]);
    assert!(
        asked[1].contains("x-amz-security-token: role t0ken\r\n"),
        "{}",
        asked[1]
    );
    assert!(asked[1].ends_with("&ExternalId=x+y"), "{}", asked[1]);
}

#[tokio::test]
async fn a_web_identity_token_is_exchanged() {
    let (sts, asked) = serve_text(|_| role_answer("WEB")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "web.token\n").unwrap();
    let variables = Variables::of([
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:x"),
        ("AWS_ROLE_SESSION_NAME", "me"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", &sts),
    ]);
    let found = credentials(AwsOptions::default(), variables).await.unwrap();
    assert_eq!(found.access_key_id, "WEB");
    let asked = asked.lock()[0].clone();
    let expected = "\r\n\r\nVersion=2011-06-15&Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Ax\
                    &RoleSessionName=me&WebIdentityToken=web.token";
    assert!(asked.ends_with(expected), "{asked}");
    assert!(!asked.contains("authorization: "), "{asked}");
}

#[tokio::test]
async fn refusals_are_told() {
    let (sts, _) = serve_text(|_| {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not &amp; you</Message>\
                    </Error></ErrorResponse>";
        ("403 Forbidden", body.to_owned())
    })
    .await;
    let options = AwsOptions {
        access_key: "C".to_owned(),
        secret_key: Secret::new("s3cret"),
        role_arn: "r".to_owned(),
        region: "eu-west-1".to_owned(),
        ..AwsOptions::default()
    };
    let variables = Variables::of([("AWS_ENDPOINT_URL_STS", &sts)]);
    let err = credentials(options.clone(), variables).await.unwrap_err();
    assert_eq!(err.to_string(), "STS: 403 AccessDenied not & you");

    let (huge, _) = serve_text(|_| ("200 OK", "x".repeat(1 << 20))).await;
    let variables = Variables::of([("AWS_ENDPOINT_URL_STS", &huge)]);
    let err = credentials(options.clone(), variables).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "answer of AWS service: body size limit exceeded"
    );

    let nowhere = AwsOptions {
        region: String::new(),
        ..options
    };
    let err = credentials(nowhere, Variables::of([])).await.unwrap_err();
    assert!(matches!(err, AwsError::NoRegion), "{err}");
}

/// A metadata service of version 2 whose credentials end then.
async fn serve_instance(end: SystemTime) -> (String, Asked) {
    serve_text(move |text| {
        if text.starts_with("PUT /latest/api/token ") {
            assert!(text.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
            return ("200 OK", "session".to_owned());
        }
        if !text.contains("x-aws-ec2-metadata-token: session\r\n") {
            return ("401 Unauthorized", String::new());
        }
        match text.split(' ').nth(1).unwrap() {
            "/latest/meta-data/iam/security-credentials/" => ("200 OK", "role\n".to_owned()),
            "/latest/meta-data/iam/security-credentials/role" => document("M", end),
            "/latest/meta-data/placement/region" => ("200 OK", "us-east-2".to_owned()),
            _ => ("404 Not Found", String::new()),
        }
    })
    .await
}

#[tokio::test]
async fn the_machine_is_asked_last() {
    let now = SystemTime::now();
    let (url, asked) = serve_instance(now + Duration::from_secs(3600)).await;
    let variables = Variables::of([("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]);
    let identity = AwsIdentity::new(AwsOptions::default(), variables, "test/1").unwrap();
    assert_eq!(identity.region(deadline()).await.unwrap(), "us-east-2");
    let before = asked.lock().len();
    for _ in 0..3 {
        let found = identity.credentials(deadline()).await.unwrap();
        assert_eq!(found.access_key_id, "M");
    }
    assert_eq!(asked.lock().len(), before + 3);
    let disabled = Variables::of([("AWS_EC2_METADATA_DISABLED", "true")]);
    let err = credentials(AwsOptions::default(), disabled.clone()).await;
    assert!(matches!(err, Err(AwsError::NoCredentials(_))));
    let identity = AwsIdentity::new(AwsOptions::default(), disabled, "test/1").unwrap();
    let err = identity.region(deadline()).await.unwrap_err();
    assert!(matches!(err, AwsError::NoRegion), "{err}");
}

#[tokio::test]
async fn containers_have_an_endpoint() {
    let (url, asked) = serve_text(|text| match text.contains("authorization: tok\r\n") {
        true => document("C", SystemTime::now() - Duration::from_secs(1)),
        false => ("400 Bad Request", String::new()),
    })
    .await;
    let uri = format!("{url}/v1/credentials");
    let variables = |token: &str| {
        Variables::of([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token),
        ])
    };
    let identity = AwsIdentity::new(AwsOptions::default(), variables("tok"), "test/1").unwrap();
    for _ in 0..2 {
        let found = identity.credentials(deadline()).await.unwrap();
        assert_eq!(found.access_key_id, "C");
    }
    assert_eq!(asked.lock().len(), 2, "what has ended is asked for anew");
    let err = credentials(AwsOptions::default(), variables("other"))
        .await
        .unwrap_err();
    assert_eq!(err.to_string(), "container credentials: 400");
}
