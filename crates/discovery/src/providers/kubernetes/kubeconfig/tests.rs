//! Files, the ways they describe, and what is refused.

use super::*;

fn file(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: here\n\
         clusters:\n- name: other\n  cluster: {{server: 'http://wrong'}}\n\
         - name: c\n  cluster: {{{cluster}}}\n\
         contexts:\n- name: here\n  context: {{cluster: c, user: u, namespace: x}}\n\
         users:\n- name: u\n  user: {{{user}}}\n"
    )
}

fn read_way(cluster: &str, user: &str) -> Result<Way, String> {
    let others = ProxyOptions::default();
    way(&file(cluster, user), Path::new("/etc/k"), &others)
}

#[test]
fn the_current_context_is_taken() {
    let cluster = "server: 'https://h:6443/p', certificate-authority: ca.pem, tls-server-name: api";
    let way = read_way(cluster, "token: s3cret").unwrap();
    assert_eq!(way.server.as_str(), "https://h:6443/p");
    assert_eq!(way.options.tls.ca, Some(Text::File("/etc/k/ca.pem".into())));
    assert_eq!(way.options.tls.server_name, "api");
    assert!(!way.options.tls.insecure_skip_verify);
    let Auth::Header { credentials, .. } = &way.options.auth else {
        panic!("a token")
    };
    assert_eq!(*credentials, Text::inline("s3cret"));
    assert!(!format!("{way:?}").contains("s3cret"));
}

#[test]
fn the_proxy_of_a_cluster_is_taken() {
    let cluster = "server: 'https://h', proxy-url: 'http://u:s3cret@p:3128'";
    let way = read_way(cluster, "").unwrap();
    let url = way.options.proxy.https.as_ref().map(Secret::expose);
    assert_eq!(url, Some("http://u:s3cret@p:3128"));
    assert!(!format!("{way:?}").contains("s3cret"));
    let direct = read_way("server: 'https://h'", "").unwrap();
    assert_eq!(direct.options.proxy, ProxyOptions::default());
    // It comes before those of the environment.
    let variables = http_client::Variables::of([("HTTPS_PROXY", "http://env:1")]);
    let others = ProxyOptions::from_variables(&variables);
    let text = file("server: 'https://h'", "");
    let way_through = super::way(&text, Path::new(""), &others).unwrap();
    assert_eq!(way_through.options.proxy, others);
    let text = file(cluster, "");
    let own = super::way(&text, Path::new(""), &others)
        .unwrap()
        .options
        .proxy;
    assert_eq!(own.https.as_ref().map(Secret::expose), url);
    assert_eq!(own.no_proxy, None);
}

#[test]
fn certificates_are_taken_in_place_before_files() {
    let cluster = "server: 'https://h', insecure-skip-tls-verify: true, \
                   certificate-authority-data: 'UEVN', certificate-authority: ca.pem";
    let user = "client-certificate-data: 'Q0VSVA==', client-key: /abs/key.pem";
    let tls = read_way(cluster, user).unwrap().options.tls;
    assert_eq!(tls.ca, Some(Text::inline("PEM")));
    assert!(tls.insecure_skip_verify);
    let key = Text::File("/abs/key.pem".into());
    assert_eq!(tls.identity, Some((Text::inline("CERT"), key)));
}

#[test]
fn a_file_of_a_token_comes_before_the_token() {
    let auth = |user: &str| read_way("server: 'http://h'", user).unwrap().options.auth;
    let Auth::Header { credentials, .. } = auth("token: a, tokenFile: t") else {
        panic!("a token")
    };
    assert_eq!(credentials, Text::File("/etc/k/t".into()));
    let basic = auth("username: me, password: s3cret");
    assert!(matches!(basic, Auth::Basic { .. }));
    assert_eq!(auth(""), Auth::None);
}

#[test]
fn a_command_and_another_identity_are_taken() {
    let user = "as: somebody, as-groups: [a, b], exec: {apiVersion: \
                client.authentication.k8s.io/v1, command: bin/login, args: [x], \
                env: [{name: A, value: b}], provideClusterInfo: true}";
    let way = read_way(
        "server: 'https://h', certificate-authority-data: 'UEVN'",
        user,
    )
    .unwrap();
    let plugin = way.plugin.unwrap();
    assert_eq!(plugin.command, Path::new("/etc/k/bin/login"));
    assert_eq!(plugin.cluster.unwrap().certificate_authority_data, "UEVN");
    assert_eq!(way.headers.get("impersonate-user").unwrap(), "somebody");
    assert_eq!(way.headers.get_all("impersonate-group").iter().count(), 2);
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let err = way(text, Path::new("/etc/k"), &ProxyOptions::default()).unwrap_err();
    assert!(err.contains(expected), "{err}");
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let cluster = "server: 'https://h'";
    check_refused(
        &file(cluster, "auth-provider: {name: gcp}"),
        "auth-provider",
    );
    check_refused(&file(cluster, "client-key: k"), "client-certificate");
    check_refused(
        &file(cluster, "client-key-data: '%', client-certificate: c"),
        "client-key-data",
    );
    check_refused(&file(cluster, "as-uid: x"), "as-uid");
    check_refused(
        &file(cluster, "exec: {command: x, apiVersion: v0}"),
        "apiVersion",
    );
    check_refused(&file("", ""), "API server");
    check_refused(
        &file(cluster, "").replace("user: u,", "user: nobody,"),
        "no user",
    );
    check_refused(
        &file(cluster, "").replace("cluster: c,", "cluster: d,"),
        "no cluster",
    );
    check_refused(
        &file(cluster, "").replace("current-context: here", ""),
        "current-context",
    );
    check_refused("current-context: x", "no context");
    check_refused("]", "");
    let interactive = "exec: {command: x, interactiveMode: Always, \
                       apiVersion: client.authentication.k8s.io/v1}";
    check_refused(&file(cluster, interactive), "interactiveMode");
}

#[test]
fn damaged_files_return() {
    let text = file("server: 'https://h'", "token: x, exec: {command: y}");
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        let _ = way(&text[..cut], Path::new(""), &ProxyOptions::default());
        let mut damaged = text.clone().into_bytes();
        damaged[cut] ^= 0x12;
        let damaged = String::from_utf8_lossy(&damaged);
        let _ = way(&damaged, Path::new(""), &ProxyOptions::default());
    }
}
