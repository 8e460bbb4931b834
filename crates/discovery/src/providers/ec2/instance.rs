//! `DescribeInstances` answers as targets.

use std::collections::BTreeMap;

use model::label_name::ADDRESS;
use model::{Labels, LabelsBuilder};
use serde::Deserialize;

use super::api::{Items, from_xml};
use crate::error::Error;
use crate::providers::meta::{clean, host_port, wrapped};

const META_AMI: &str = "__meta_ec2_ami";
const META_ARCHITECTURE: &str = "__meta_ec2_architecture";
const META_ZONE: &str = "__meta_ec2_availability_zone";
const META_ZONE_ID: &str = "__meta_ec2_availability_zone_id";
const META_DEFAULT_IPV6: &str = "__meta_ec2_default_ipv6_address";
const META_ID: &str = "__meta_ec2_instance_id";
const META_LIFECYCLE: &str = "__meta_ec2_instance_lifecycle";
const META_STATE: &str = "__meta_ec2_instance_state";
const META_TYPE: &str = "__meta_ec2_instance_type";
const META_IPV6: &str = "__meta_ec2_ipv6_addresses";
const META_OWNER: &str = "__meta_ec2_owner_id";
const META_PLATFORM: &str = "__meta_ec2_platform";
const META_PRIMARY_IPV6: &str = "__meta_ec2_primary_ipv6_addresses";
const META_PRIMARY_SUBNET: &str = "__meta_ec2_primary_subnet_id";
const META_PRIVATE_DNS: &str = "__meta_ec2_private_dns_name";
const META_PRIVATE_IP: &str = "__meta_ec2_private_ip";
const META_PUBLIC_DNS: &str = "__meta_ec2_public_dns_name";
const META_PUBLIC_IP: &str = "__meta_ec2_public_ip";
const META_REGION: &str = "__meta_ec2_region";
const META_SUBNETS: &str = "__meta_ec2_subnet_id";
const META_TAG: &str = "__meta_ec2_tag_";
const META_VPC: &str = "__meta_ec2_vpc_id";

const SEPARATOR: &str = ",";
/// Highest position of a network device that is believed.
const DEVICE_INDEX_MAX: usize = 255;

/// What answers are read with.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) region: String,
    pub(super) port: i64,
    pub(super) zone_ids: BTreeMap<String, String>,
}

/// A page of targets, and what to ask the next one with.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) targets: Vec<Labels>,
    /// Empty after the last page.
    pub(super) next_token: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Described {
    reservation_set: Items<Reservation>,
    next_token: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Reservation {
    owner_id: String,
    instances_set: Items<Instance>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    instance_id: String,
    image_id: String,
    instance_state: State,
    private_dns_name: String,
    /// The public name.
    dns_name: String,
    instance_type: String,
    placement: Placement,
    platform: String,
    subnet_id: String,
    vpc_id: String,
    private_ip_address: String,
    /// The public address.
    ip_address: String,
    architecture: String,
    instance_lifecycle: String,
    tag_set: Items<Tag>,
    network_interface_set: Items<Interface>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct State {
    name: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Placement {
    availability_zone: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Interface {
    subnet_id: String,
    attachment: Attachment,
    ipv6_addresses_set: Items<Ipv6>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Attachment {
    device_index: usize,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Ipv6 {
    ipv6_address: String,
    is_primary_ipv6: bool,
}

impl Reading {
    /// The page that `text` is.
    pub(super) fn page(&self, text: &[u8]) -> Result<Page, Error> {
        let described: Described = from_xml(text)?;
        let mut targets = Vec::new();
        for reservation in &described.reservation_set.item {
            let instances = reservation.instances_set.item.iter();
            targets.extend(
                instances.filter_map(|instance| self.target(instance, &reservation.owner_id)),
            );
        }
        Ok(Page {
            targets,
            next_token: described.next_token,
        })
    }

    /// `None` for instances without an address.
    fn target(&self, instance: &Instance, owner: &str) -> Option<Labels> {
        let (subnets, ipv6) = if instance.vpc_id.is_empty() {
            (Vec::new(), Ipv6Addresses::default())
        } else {
            interfaces(&instance.network_interface_set.item)
        };
        let default_ipv6 = ipv6.preferred();
        let host = match instance.private_ip_address.as_str() {
            "" => default_ipv6?,
            private => private,
        };
        let zone = &instance.placement.availability_zone;
        let zone_id = self.zone_ids.get(zone).map_or("", String::as_str);
        let mut labels = LabelsBuilder::new();
        labels
            .set(ADDRESS, &host_port(host, self.port))
            .set(META_ID, &instance.instance_id)
            .set(META_REGION, &self.region)
            .set(META_OWNER, owner)
            .set(META_DEFAULT_IPV6, default_ipv6.unwrap_or(""))
            .set(META_PRIVATE_IP, &instance.private_ip_address)
            .set(META_PRIVATE_DNS, &instance.private_dns_name)
            .set(META_PLATFORM, &instance.platform)
            .set(META_PUBLIC_IP, &instance.ip_address)
            .set(META_AMI, &instance.image_id)
            .set(META_ZONE, zone)
            .set(META_ZONE_ID, zone_id)
            .set(META_STATE, &instance.instance_state.name)
            .set(META_TYPE, &instance.instance_type)
            .set(META_LIFECYCLE, &instance.instance_lifecycle)
            .set(META_ARCHITECTURE, &instance.architecture);
        if !instance.ip_address.is_empty() {
            labels.set(META_PUBLIC_DNS, &instance.dns_name);
        }
        if !ipv6.primary.is_empty() {
            labels.set(META_PRIMARY_IPV6, &wrapped(&ipv6.primary, SEPARATOR));
        }
        if !ipv6.all.is_empty() {
            labels.set(META_IPV6, &wrapped(&ipv6.all, SEPARATOR));
        }
        if !instance.vpc_id.is_empty() {
            labels
                .set(META_VPC, &instance.vpc_id)
                .set(META_PRIMARY_SUBNET, &instance.subnet_id)
                .set(META_SUBNETS, &wrapped(&subnets, SEPARATOR));
        }
        for tag in &instance.tag_set.item {
            labels.set(&format!("{META_TAG}{}", clean(&tag.key)), &tag.value);
        }
        Some(labels.labels())
    }
}

/// IPv6 addresses of an instance.
#[derive(Debug, Default)]
struct Ipv6Addresses<'a> {
    /// Primary ones at the positions of their devices, with gaps.
    primary: Vec<&'a str>,
    all: Vec<&'a str>,
}

impl<'a> Ipv6Addresses<'a> {
    /// The first primary one, else the first.
    fn preferred(&self) -> Option<&'a str> {
        let mut candidates = self.primary.iter().chain(&self.all);
        candidates.find(|address| !address.is_empty()).copied()
    }
}

/// Subnets, each once, and addresses of the interfaces that are in one.
fn interfaces(interfaces: &[Interface]) -> (Vec<&str>, Ipv6Addresses<'_>) {
    let mut subnets: Vec<&str> = Vec::new();
    let mut ipv6 = Ipv6Addresses::default();
    for interface in interfaces.iter().filter(|one| !one.subnet_id.is_empty()) {
        if !subnets.contains(&interface.subnet_id.as_str()) {
            subnets.push(&interface.subnet_id);
        }
        let position = interface.attachment.device_index;
        for address in &interface.ipv6_addresses_set.item {
            ipv6.all.push(&address.ipv6_address);
            if address.is_primary_ipv6 && position <= DEVICE_INDEX_MAX {
                if ipv6.primary.len() <= position {
                    ipv6.primary.resize(position + 1, "");
                }
                ipv6.primary[position] = &address.ipv6_address;
            }
        }
    }
    (subnets, ipv6)
}

/// Reads `text` as a page of instances and forgets it; a fuzz target's body. Must return whatever
/// the bytes are.
pub fn check_instances(text: &[u8]) {
    let _ = Reading::default().page(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_answers_return() {
        let seed = b"<?xml version=\"1.0\"?><R xmlns=\"x\"><reservationSet><item><ownerId>1</ownerId>\
            <instancesSet><item><vpcId>v</vpcId><privateIpAddress>10.0.0.1</privateIpAddress>\
            <networkInterfaceSet><item><subnetId>s</subnetId><attachment><deviceIndex>1</deviceIndex>\
            </attachment><ipv6AddressesSet><item><ipv6Address>::1</ipv6Address><isPrimaryIpv6>true\
            </isPrimaryIpv6></item></ipv6AddressesSet></item></networkInterfaceSet></item>\
            </instancesSet></item></reservationSet></R>";
        assert_eq!(Reading::default().page(seed).unwrap().targets.len(), 1);
        for cut in 0..seed.len() {
            check_instances(&seed[..cut]);
            let mut damaged = seed.to_vec();
            damaged[cut] ^= 0x10;
            check_instances(&damaged);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bad in [
            "",
            "<a>",
            "<a><reservationSet>x</b></a>",
            "\u{1}",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><a><nextToken>&a;</nextToken></a>",
        ] {
            assert!(Reading::default().page(bad.as_bytes()).is_err(), "{bad}");
        }
        let wrong = b"<a><reservationSet><item><instancesSet><item><networkInterfaceSet><item>\
            <attachment><deviceIndex>-1</deviceIndex></attachment></item></networkInterfaceSet>\
            </item></instancesSet></item></reservationSet></a>";
        assert!(Reading::default().page(wrong).is_err());
    }
}
