//! Directions of the tracks over the network, as ADM-OSC: one bundle for each snapshot, over UDP, from the worker's thread.
//!
//! Every track has a number from 1 to [`OBJECTS`] for as long as it lives: the lowest that is free when it is first sent. A bundle holds
//! `/adm/obj/N/azim`, `/elev` (degrees) and `/dist` (always 1: directions alone are known) of each, with its score under
//! `/spherescope/obj/N/score`; a number that has become free is told once with a score of 0. `/spherescope/time` (seconds since
//! activation) and `/spherescope/active` (whether anything is above the gate) come first, so that a bundle is never empty.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};
use spherescope_dsp::Track;

/// Numbers for tracks: ADM-OSC counts objects from 1.
pub(crate) const OBJECTS: usize = 16;

/// An open socket and which track has which number.
#[derive(Debug)]
pub(crate) struct OscSender {
    socket: UdpSocket,
    target: SocketAddr,
    /// Identifier of the track with each number.
    numbers: [Option<u32>; OBJECTS],
    /// Bundles sent.
    pub(crate) bundles: u64,
}

impl OscSender {
    /// Opens a socket towards a target. Sends nothing yet.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub(crate) fn open(target: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        // The worker never waits for the network.
        socket.set_nonblocking(true)?;
        // Connected, so that a receiver that is not there is told of.
        socket.connect(target)?;
        Ok(Self { socket, target, numbers: [None; OBJECTS], bundles: 0 })
    }

    /// Sends what there is at a time, in seconds since activation.
    ///
    /// # Errors
    /// With the target's name, when a bundle does not get out, or the one before did not arrive.
    pub(crate) fn send(&mut self, t_s: f64, active: bool, tracks: &[Track]) -> Result<(), String> {
        let bundle = OscPacket::Bundle(OscBundle {
            // Immediately.
            timetag: OscTime { seconds: 0, fractional: 1 },
            content: self.messages(t_s, active, tracks),
        });
        let fail = |e: &dyn std::fmt::Display| format!("OSC to {}: {e}", self.target);
        let bytes = rosc::encoder::encode(&bundle).map_err(|e| fail(&e))?;
        match self.socket.send(&bytes) {
            Ok(_) => {
                self.bundles += 1;
                Ok(())
            }
            // The network is slower than we are; the next bundle tells all again.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Err(fail(&"nobody listens there")),
            Err(e) => Err(fail(&e)),
        }
    }

    fn messages(&mut self, t_s: f64, active: bool, tracks: &[Track]) -> Vec<OscPacket> {
        let message = |addr: String, value: OscType| OscPacket::Message(OscMessage { addr, args: vec![value] });
        let score =
            |number: usize, score: f32| message(format!("/spherescope/obj/{number}/score"), OscType::Float(score));
        let mut content = vec![
            message("/spherescope/time".into(), OscType::Float(t_s as f32)),
            message("/spherescope/active".into(), OscType::Int(active.into())),
        ];
        for (i, number) in self.numbers.iter_mut().enumerate() {
            if number.is_some_and(|id| !tracks.iter().any(|t| t.id == id)) {
                *number = None;
                content.push(score(i + 1, 0.0));
            }
        }
        for track in tracks {
            let known = self.numbers.iter().position(|n| *n == Some(track.id));
            let Some(place) = known.or_else(|| self.numbers.iter().position(Option::is_none)) else { continue };
            self.numbers[place] = Some(track.id);
            let number = place + 1;
            let object =
                |what: &str, value: f64| message(format!("/adm/obj/{number}/{what}"), OscType::Float(value as f32));
            content.push(object("azim", track.direction.azimuth_deg()));
            content.push(object("elev", track.direction.elevation_deg()));
            content.push(object("dist", 1.0));
            content.push(score(number, track.score));
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::Direction;
    use std::time::Duration;

    fn track(id: u32, azimuth_deg: f64) -> Track {
        Track {
            id,
            direction: Direction::from_degrees(azimuth_deg, 10.0).unwrap(),
            speed_deg_s: 0.0,
            confidence: 1.0,
            born_s: 0.0,
            seen_s: 1.0,
            score: 0.75,
            confirmed: true,
        }
    }

    /// The next bundle: addresses and their values.
    fn received(socket: &UdpSocket) -> Vec<(String, f32)> {
        let mut bytes = [0; 65_536];
        let length = socket.recv(&mut bytes).unwrap();
        let (rest, OscPacket::Bundle(bundle)) = rosc::decoder::decode_udp(&bytes[..length]).unwrap() else {
            panic!("a bundle")
        };
        assert!(rest.is_empty());
        let value = |packet: OscPacket| match packet {
            OscPacket::Message(OscMessage { addr, args }) => match args[..] {
                [OscType::Float(x)] => (addr, x),
                [OscType::Int(x)] => (addr, x as f32),
                ref other => panic!("{addr}: {other:?}"),
            },
            OscPacket::Bundle(_) => panic!("a bundle in a bundle"),
        };
        bundle.content.into_iter().map(value).collect()
    }

    #[test]
    fn a_receiver_gets_every_track_under_a_number_that_stays() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut sender = OscSender::open(receiver.local_addr().unwrap()).unwrap();
        sender.send(1.5, true, &[track(7, 30.0), track(9, -120.0)]).unwrap();
        let bundle = received(&receiver);
        let value =
            |bundle: &[(String, f32)], address: &str| bundle.iter().find(|(a, _)| a == address).map(|(_, v)| *v);
        assert_eq!(
            (value(&bundle, "/spherescope/time"), value(&bundle, "/spherescope/active")),
            (Some(1.5), Some(1.0))
        );
        for (address, expected) in [
            ("/adm/obj/1/azim", 30.0),
            ("/adm/obj/1/elev", 10.0),
            ("/adm/obj/1/dist", 1.0),
            ("/spherescope/obj/1/score", 0.75),
            ("/adm/obj/2/azim", -120.0),
        ] {
            assert!((value(&bundle, address).unwrap() - expected).abs() < 1e-4, "{address}: {bundle:?}");
        }
        // The first goes, a third comes: the second keeps its number, the third gets the free one.
        sender.send(1.6, true, &[track(9, -110.0)]).unwrap();
        let gone = received(&receiver);
        assert_eq!(value(&gone, "/spherescope/obj/1/score"), Some(0.0));
        assert_eq!(value(&gone, "/adm/obj/1/azim"), None);
        assert!((value(&gone, "/adm/obj/2/azim").unwrap() + 110.0).abs() < 1e-4);
        sender.send(1.7, true, &[track(9, -100.0), track(12, 5.0)]).unwrap();
        let back = received(&receiver);
        assert!((value(&back, "/adm/obj/1/azim").unwrap() - 5.0).abs() < 1e-4);
        assert!((value(&back, "/adm/obj/2/azim").unwrap() + 100.0).abs() < 1e-4);
        assert_eq!(sender.bundles, 3);
        // In silence a bundle says so.
        sender.send(1.8, false, &[]).unwrap();
        assert_eq!(value(&received(&receiver), "/spherescope/active"), Some(0.0));
        // More tracks than numbers are no error.
        let many: Vec<Track> = (100..140).map(|id| track(id, f64::from(id))).collect();
        sender.send(1.9, true, &many).unwrap();
        assert_eq!(received(&receiver).iter().filter(|(a, _)| a.ends_with("/azim")).count(), OBJECTS);
    }

    #[test]
    fn a_target_without_a_receiver_is_said() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = receiver.local_addr().unwrap();
        drop(receiver);
        let mut sender = OscSender::open(target).unwrap();
        let said = (0..50).find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            sender.send(0.0, true, &[]).err()
        });
        assert!(said.unwrap().contains("nobody listens"));
    }
}
