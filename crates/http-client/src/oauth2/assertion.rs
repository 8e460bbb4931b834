//! Signed assertions: JSON Web Tokens (RFC 7519) with RSA signatures, as RFC 7523 wants them.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};
use yaml::Secret;

use super::{Grant, OAuth2Options, Signature};
use crate::error::Failure;

/// How long an assertion is good for.
const SECONDS: u64 = 600;

/// An assertion for `options` from now on, signed by `key` (PEM).
pub(super) fn sign(options: &OAuth2Options, key: &Secret) -> Result<String, Failure> {
    let Grant::JwtBearer {
        signature, key_id, ..
    } = &options.grant
    else {
        return Ok(String::new());
    };
    let (name, encoding) = match signature {
        Signature::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        Signature::Rs384 => ("RS384", &RSA_PKCS1_SHA384),
        Signature::Rs512 => ("RS512", &RSA_PKCS1_SHA512),
    };
    let mut header = json!({"alg": name, "typ": "JWT"});
    if !key_id.is_empty() {
        header["kid"] = Value::from(key_id.as_str());
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = Value::Object(claims(options)?);
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let pair = key_pair(key.expose())?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        encoding,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Failure::Token("oauth2: cannot sign the assertion".to_owned()))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn key_pair(pem: &str) -> Result<RsaKeyPair, Failure> {
    // In the reference's words, which do not show the key.
    let bad = |text: &str| Failure::Token(format!("invalid key: {text}"));
    let form = "Key must be a PEM encoded PKCS1 or PKCS8 key";
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad(form))?;
    match &key {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(bad(form)),
    }
    .map_err(|_| bad("Key is not a valid RSA private key"))
}

fn claims(options: &OAuth2Options) -> Result<Map<String, Value>, Failure> {
    let or = |text: &str, default: &str| match text {
        "" => default.to_owned(),
        text => text.to_owned(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let mut all = Map::new();
    if let Grant::JwtBearer {
        iss,
        audience,
        claims,
        ..
    } = &options.grant
    {
        all.insert("iss".into(), or(iss, &options.client_id).into());
        all.insert("sub".into(), options.client_id.as_str().into());
        all.insert("aud".into(), or(audience, &options.token_url).into());
        all.insert("jti".into(), random_id()?.into());
        all.insert("iat".into(), now.into());
        all.insert("exp".into(), (now + SECONDS).into());
        if !options.scopes.is_empty() {
            all.insert("scope".into(), options.scopes.join(" ").into());
        }
        all.extend(claims.clone());
    }
    Ok(all)
}

/// A random UUID (RFC 9562, version 4).
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Failure::Token("oauth2: no random numbers".to_owned()))?;
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_ids() {
        let id = random_id().unwrap();
        let sizes: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(sizes, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, random_id().unwrap());
    }

    #[test]
    fn keys_that_are_none_are_not_shown() {
        for key in [
            "",
            "hidden",
            "-----BEGIN PRIVATE KEY-----\naGlkZGVu\n-----END PRIVATE KEY-----\n",
        ] {
            let err = key_pair(key).err().unwrap().to_string();
            assert!(err.starts_with("invalid key: Key "), "{err}");
            assert!(!err.contains("hidden"), "{err}");
        }
    }
}
