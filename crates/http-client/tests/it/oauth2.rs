//! Tokens, from a token server of the tests.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_client::options::{Auth, Grant, OAuth2Options, Signature, Text, TlsOptions};
use http_client::{Client, ClientOptions, ProxyOptions, Request};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Url;

use crate::support::{echo, get, read_head, serve};

/// Heads and bodies a token server was sent.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A token server that gives `answer(head, body)`, status line and all; and what it was sent.
async fn serve_tokens(
    answer: impl Fn(&str, &str) -> String + Clone + Send + 'static,
) -> (String, Asked) {
    let asked = Asked::default();
    let kept = asked.clone();
    let address = serve(move |mut stream: TcpStream| {
        let (answer, kept) = (answer.clone(), kept.clone());
        async move {
            let head = read_head(&mut stream).await.unwrap_or_default();
            let size = head.split("content-length: ").nth(1);
            let size = size.and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; size.map_or(0, |size| size.parse().unwrap())];
            stream.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap();
            let text = answer(&head, &body);
            kept.lock().push((head, body));
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await;
    (format!("http://{address}/token"), asked)
}

fn json_answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    let size = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {size}\r\n\r\n{body}"
    )
}

fn token(text: &str, seconds: u64) -> String {
    let body = json!({"access_token": text, "token_type": "bearer", "expires_in": seconds});
    json_answer("200 OK", &body)
}

fn options(token_url: &str, secret: Text) -> ClientOptions {
    let oauth2 = OAuth2Options {
        client_id: "me & you".to_owned(),
        secret,
        grant: Grant::ClientCredentials,
        scopes: vec!["a".to_owned(), "b".to_owned()],
        token_url: token_url.to_owned(),
        endpoint_params: vec![("x".to_owned(), "y".to_owned())],
        tls: TlsOptions::default(),
        proxy: ProxyOptions::default(),
    };
    ClientOptions {
        auth: Auth::OAuth2(Box::new(oauth2)),
        ..ClientOptions::default()
    }
}

/// The heads the target got in so many requests at once, each on a connection of its own.
async fn ask_at_once(client: &Client, url: &str, count: usize) -> Vec<Result<String, String>> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (client, url) = (client.clone(), Url::parse(url).unwrap());
            tokio::spawn(async move {
                let deadline = Instant::now() + Duration::from_secs(30);
                let sent = client.connection().send(Request::get(url), deadline).await;
                let mut response = sent.map_err(|err| err.to_string())?;
                let body = response.body.collect(10_000).await.unwrap();
                Ok(String::from_utf8(body).unwrap())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_connections() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|_, _| token("t0k", 3600)).await;
    let client = Client::new(options(&url, Text::inline("s/1")), "test/1").unwrap();
    for answer in ask_at_once(&client, &target, 8).await {
        let head = answer.unwrap();
        assert!(head.contains("authorization: Bearer t0k\r\n"), "{head}");
    }
    let shown = format!("{client:?}");
    assert!(!shown.contains("t0k") && !shown.contains("s/1"), "{shown}");
    let asked = asked.lock().clone();
    assert_eq!(asked.len(), 1);
    let (head, body) = &asked[0];
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    // Each part encoded as in a form, then both in base64.
    let pair = base64::engine::general_purpose::STANDARD.encode("me+%26+you:s%2F1");
    assert!(
        head.contains(&format!("authorization: Basic {pair}\r\n")),
        "{head}"
    );
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(head.contains("user-agent: test/1\r\n"), "{head}");
    assert_eq!(body, "grant_type=client_credentials&scope=a+b&x=y");
}

#[tokio::test]
async fn a_server_that_wants_the_form_gets_it_and_is_remembered() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|head, _| match head.contains("authorization: ") {
        true => json_answer("401 Unauthorized", &json!({"error": "invalid_client"})),
        // Ends too soon to be used twice.
        false => token("t", 5),
    })
    .await;
    let client = Client::new(options(&url, Text::inline("s")), "test/1").unwrap();
    for _ in 0..2 {
        ask_at_once(&client, &target, 1).await.remove(0).unwrap();
    }
    let bodies: Vec<_> = asked.lock().iter().map(|(_, body)| body.clone()).collect();
    let plain = "grant_type=client_credentials&scope=a+b&x=y".to_owned();
    let form = "client_id=me+%26+you&client_secret=s&grant_type=client_credentials&scope=a+b&x=y";
    assert_eq!(bodies, [plain, form.to_owned(), form.to_owned()]);
}

#[tokio::test]
async fn a_changed_secret_file_brings_a_new_token() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|_, _| token("t", 3600)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let client = Client::new(options(&url, Text::File(file.clone())), "test/1").unwrap();
    let missing = ask_at_once(&client, &target, 1)
        .await
        .remove(0)
        .unwrap_err();
    assert!(
        missing.contains("unable to read oauth2 client secret"),
        "{missing}"
    );
    for (secret, count) in [("a", 1), ("a\n", 1), ("b", 2)] {
        std::fs::write(&file, secret).unwrap();
        ask_at_once(&client, &target, 1).await.remove(0).unwrap();
        assert_eq!(asked.lock().len(), count, "{secret:?}");
    }
}

#[tokio::test]
async fn refusals_are_shown_without_the_secret_and_shared() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|_, body| {
        // Others come and wait meanwhile.
        std::thread::sleep(Duration::from_millis(200));
        format!("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\nyou sent {body}")
    })
    .await;
    let client = Client::new(options(&url, Text::inline("s3cret")), "test/1").unwrap();
    let expected = format!(
        "Get \"{target}\": oauth2: cannot fetch token: 403 Forbidden\nResponse: you sent \
         client_id=me+%26+you&client_secret=<secret>&grant_type=client_credentials&scope=a+b&x=y"
    );
    for answer in ask_at_once(&client, &target, 8).await {
        assert_eq!(answer.unwrap_err(), expected);
    }
    // By header and by form, once each for all that waited; one may have come late.
    assert!(asked.lock().len() <= 4, "{}", asked.lock().len());
}

#[tokio::test]
async fn token_servers_are_bounded_in_time_and_size() {
    let target = format!("http://{}/", serve(echo).await);
    let silent = serve(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let silent = options(&format!("http://{silent}/"), Text::inline("s"));
    let client = Client::new(silent, "test/1").unwrap();
    let deadline = Instant::now() + Duration::from_millis(100);
    let request = Request::get(Url::parse(&target).unwrap());
    let err = client
        .connection()
        .send(request, deadline)
        .await
        .unwrap_err();
    assert!(err.is_timeout(), "{err}");

    let (url, _) = serve_tokens(|_, _| token(&"t".repeat(2 << 20), 3600)).await;
    let err = get(options(&url, Text::inline("s")), &target)
        .await
        .unwrap_err();
    let expected = "oauth2: cannot fetch token: body size limit exceeded";
    assert!(err.to_string().ends_with(expected), "{err}");

    let absent = options("http://127.0.0.1:1/t", Text::inline("s"));
    let err = get(absent, &target).await.unwrap_err();
    let expected = format!(
        "Get \"{target}\": Post \"http://127.0.0.1:1/t\": dial tcp 127.0.0.1:1: connect: \
         connection refused"
    );
    assert_eq!(err.to_string(), expected);
}

#[tokio::test]
async fn tokens_are_asked_for_through_a_proxy_of_their_own() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|_, _| token("t", 3600)).await;
    let mut options = options("http://tokens.test/token", Text::inline("s"));
    if let Auth::OAuth2(oauth2) = &mut options.auth {
        oauth2.proxy.http = Some(yaml::Secret::new(url.as_str()));
    }
    let head = get(options, &target).await.unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    let head = asked.lock()[0].0.clone();
    assert!(
        head.starts_with("POST http://tokens.test/token HTTP/1.1\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn an_assertion_is_signed_and_shown_for_a_token() {
    let target = format!("http://{}/", serve(echo).await);
    let (url, asked) = serve_tokens(|_, _| token("t", 3600)).await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut options = options(&url, Text::inline(&key.serialize_pem()));
    if let Auth::OAuth2(oauth2) = &mut options.auth {
        oauth2.grant = Grant::JwtBearer {
            signature: Signature::Rs384,
            key_id: "k1".to_owned(),
            iss: String::new(),
            audience: String::new(),
            claims: Map::from_iter([("role".to_owned(), json!(["r"]))]),
        };
    }
    let head = get(options, &target).await.unwrap();
    assert!(head.contains("authorization: Bearer t\r\n"), "{head}");
    let (head, body) = asked.lock()[0].clone();
    assert!(!head.contains("authorization: "), "{head}");
    let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).collect();
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["assertion", "grant_type", "scope", "x"]);
    assert_eq!(fields[1].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (text, signature) = fields[0].1.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA384, key.public_key_raw())
        .verify(text.as_bytes(), &signature)
        .unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    let decode =
        |part| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(
        decode(header),
        json!({"alg": "RS384", "typ": "JWT", "kid": "k1"})
    );
    let claims = decode(claims);
    assert_eq!(claims["iss"], "me & you");
    assert_eq!(claims["sub"], "me & you");
    assert_eq!(claims["aud"], url.as_str());
    assert_eq!(claims["scope"], "a b");
    assert_eq!(claims["role"], json!(["r"]));
    let (from, to) = (
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    assert_eq!(to - from, 600);
}
