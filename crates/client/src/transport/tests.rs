//! Two connections on loopback: ours, and one that answers in the room server's place.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    RTCSessionDescription,
};

use super::engine::{self, LocalAddress};
use super::feedback::{self, Feedback, FeedbackTap};
use super::runtime::Tasks;
use super::uplink::{Numbering, Uplink};
use super::{Kind, Transport, TransportError, TransportEvent, TransportLanes};

const PATIENCE: Duration = Duration::from_secs(10);

/// The other end: answers offers and collects what comes.
pub(crate) struct Answerer {
    connection: Arc<dyn PeerConnection>,
    pub(crate) tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
    pub(crate) feedback: mpsc::Receiver<Feedback>,
    gathered: mpsc::Receiver<()>,
    has_gathered: bool,
    _tasks: Tasks,
}

struct Collector {
    tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
    gathered: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Collector {
    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.tracks.try_send(track).expect("room for a few tracks");
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.try_send(()).expect("room for all");
        }
    }
}

impl Answerer {
    pub(crate) async fn open() -> Self {
        let (track_lane, tracks) = mpsc::channel(8);
        let (gathered_lane, gathered) = mpsc::channel(16);
        let (feedback_lane, feedback) = mpsc::channel(feedback::LANE);
        let tasks = Tasks::default();
        let handler = Arc::new(Collector {
            tracks: track_lane,
            gathered: gathered_lane,
        });
        let tap = FeedbackTap::new(feedback_lane, Arc::new(AtomicU64::new(0)));
        let address = LocalAddress::new("127.0.0.1:1".parse().unwrap());
        let interceptors = (tap, Numbering::new(Uplink::default()));
        let runtime = tasks.runtime(Arc::default());
        let connection = engine::build(address, handler, interceptors, runtime)
            .await
            .unwrap();
        Self {
            connection,
            tracks,
            feedback,
            gathered,
            has_gathered: false,
            _tasks: tasks,
        }
    }

    pub(crate) async fn answer(&mut self, offer: &str) -> String {
        let offer = RTCSessionDescription::offer(offer.to_owned()).unwrap();
        self.connection.set_remote_description(offer).await.unwrap();
        let answer = self.connection.create_answer(None).await.unwrap();
        self.connection.set_local_description(answer).await.unwrap();
        if !std::mem::replace(&mut self.has_gathered, true) {
            timeout(PATIENCE, self.gathered.recv())
                .await
                .unwrap()
                .unwrap();
        }
        self.connection.local_description().await.unwrap().sdp
    }
}

async fn ours() -> (Transport, TransportLanes) {
    Transport::open("127.0.0.1:1".parse().unwrap())
        .await
        .unwrap()
}

async fn connected(lanes: &mut TransportLanes) {
    loop {
        match timeout(PATIENCE, lanes.events.recv())
            .await
            .unwrap()
            .unwrap()
        {
            TransportEvent::State(RTCPeerConnectionState::Connected) => return,
            TransportEvent::State(_) | TransportEvent::Track(_) => {}
        }
    }
}

#[tokio::test]
async fn sections_are_sendonly_or_recvonly_named_by_integers_and_never_fewer() {
    let (mut transport, _lanes) = ours().await;
    let track = transport
        .publish(Kind::Video, "stream", false)
        .await
        .unwrap();
    let offer = transport.offer(1, 2, false).await.unwrap();
    assert_eq!(offer.matches("a=recvonly").count(), 3, "{offer}");
    assert_eq!(offer.matches("a=sendonly").count(), 1);
    assert!(!offer.contains("a=sendrecv") && !offer.contains("m=application"));
    assert!(offer.contains("a=group:BUNDLE 0 1 2 3"));
    let source = offer
        .split("a=ssrc:")
        .nth(1)
        .and_then(|it| it.split(' ').next());
    let source = source.and_then(|it| it.parse().ok()).unwrap();
    assert_eq!(track.encoding_of(source), Some(0));
    assert!(offer.contains("a=ssrc-group:FID"));
    assert_eq!(track.mid().await.as_deref(), Some("0"));
    transport.roll_back().await.unwrap();
    let offer = transport.offer(0, 0, false).await.unwrap();
    assert_eq!(
        offer.matches("a=recvonly").count(),
        3,
        "the count never falls: {offer}"
    );
}

#[tokio::test]
async fn an_announced_certificate_is_verified_and_another_one_refused() {
    for honest in [true, false] {
        let (mut transport, mut lanes) = ours().await;
        let mut answerer = Answerer::open().await;
        let _track = transport
            .publish(Kind::Audio, "stream", false)
            .await
            .unwrap();
        let offer = transport.offer(0, 0, false).await.unwrap();
        let mut answer = answerer.answer(&offer).await;
        if !honest {
            let start = answer.find("a=fingerprint:sha-256 ").unwrap() + 22;
            let other = if &answer[start..=start] == "0" {
                "1"
            } else {
                "0"
            };
            answer.replace_range(start..=start, other);
        }
        transport.apply_answer(&answer).await.unwrap();
        connected(&mut lanes).await;
        match transport.is_verified().await {
            Ok(verified) => assert!(verified && honest),
            Err(error) => assert!(matches!(error, TransportError::Fingerprint) && !honest),
        }
        transport.close().await;
    }
}

/// Watches a picture until its second keyframe, which is asked for after fifteen frames.
async fn renewed(
    remote: &dyn TrackRemote,
    lanes: &mut TransportLanes,
    steering: &crate::publish::Steering,
) {
    let mut keyframes = 0;
    let mut frames = 0;
    while keyframes < 2 {
        let event = timeout(PATIENCE, remote.poll()).await.unwrap().unwrap();
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        frames += u32::from(packet.header.marker);
        let descriptor = snug_rtp::vp8::Descriptor::parse(&packet.payload).unwrap();
        keyframes += u32::from(descriptor.starts_keyframe(&packet.payload));
        if frames == 15 {
            let pli = PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc: packet.header.ssrc,
            };
            remote.write_rtcp(vec![Box::new(pli)]).await.unwrap();
            let wish = timeout(PATIENCE, lanes.feedback.recv())
                .await
                .unwrap()
                .unwrap();
            let ssrc = packet.header.ssrc;
            assert_eq!(wish, Feedback::KeyframeRequest { ssrc });
            steering.request_keyframe(0);
            frames += 1;
        }
        assert!(frames < 60, "no second keyframe");
    }
}

#[tokio::test]
async fn a_picture_is_published_reported_and_renewed_on_request() {
    let (mut transport, mut lanes) = ours().await;
    let mut answerer = Answerer::open().await;
    let track = transport
        .publish(Kind::Video, "stream", false)
        .await
        .unwrap();
    let offer = transport.offer(0, 0, false).await.unwrap();
    let answer = answerer.answer(&offer).await;
    transport.apply_answer(&answer).await.unwrap();
    track.settle().await.unwrap();
    connected(&mut lanes).await;

    let source = snug_media::source::TestPattern::new(160, 96, 30).unwrap();
    let (ended, mut ends) = mpsc::channel(1);
    let numbers = Arc::new(crate::publish::Numbers::random());
    let steering = Arc::new(crate::publish::Steering::default());
    let publication = crate::publish::Publication::start(
        crate::publish::Source::Video(Box::new(source)),
        crate::publish::Destination {
            track: track.clone(),
            numbers: Arc::clone(&numbers),
            steering: Arc::clone(&steering),
            encodings: 1,
            bitrate_bps: 200_000,
            after: None,
        },
        (crate::publish::Epoch::now(), std::time::Instant::now()),
        (1, ended),
    )
    .unwrap();

    let remote = timeout(PATIENCE, answerer.tracks.recv())
        .await
        .unwrap()
        .unwrap();
    let report = timeout(PATIENCE, answerer.feedback.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(report, Feedback::SenderReport { ssrc, .. } if track.encoding_of(ssrc) == Some(0))
    );
    renewed(&*remote, &mut lanes, &steering).await;
    let sent = numbers.sent();
    // A busy machine may drop a frame; that is counted and not judged here.
    assert!(sent.keyframes >= 2, "{sent:?}");
    drop(publication.stop(crate::publish::Fate::Return));
    let ended = timeout(PATIENCE, ends.recv()).await.unwrap().unwrap();
    assert!(ended.source.is_some(), "the source comes back");
    transport.close().await;
}

#[tokio::test]
async fn a_simulcast_offers_three_named_encodings_with_their_repairs() {
    let (mut transport, _lanes) = ours().await;
    let track = transport.publish(Kind::Video, "stream", true).await;
    let track = track.unwrap();
    let offer = transport.offer(0, 1, false).await.unwrap();
    let sending = offer.split("m=video").nth(1).unwrap();
    for line in [
        "a=rid:l send",
        "a=rid:m send",
        "a=rid:h send",
        "a=simulcast:send l;m;h",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    ] {
        assert!(sending.contains(line), "{line}: {offer}");
    }
    let groups = sending.lines().filter_map(|line| {
        let pair = line.trim().strip_prefix("a=ssrc-group:FID ")?;
        pair.split(' ').next()?.parse().ok()
    });
    let encodings: Vec<_> = groups.map(|ssrc| track.encoding_of(ssrc)).collect();
    assert_eq!(encodings, [Some(0), Some(1), Some(2)], "{offer}");
}
