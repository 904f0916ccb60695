//! The block pool from outside, on real threads.

use spherescope_dsp::block_pool;

#[test]
fn audio_arrives_in_order_and_unchanged_across_threads() {
    let (mut writer, mut reader) = block_pool(3, 64, 8);
    let sender = std::thread::spawn(move || {
        let mut sent = 0u64;
        for i in 0..10_000usize {
            let frames = 1 + i % 64;
            while writer.free_blocks() == 0 {
                std::thread::yield_now();
            }
            let start = sent;
            assert!(writer.push(frames, |channel, out| {
                for (n, x) in out.iter_mut().enumerate() {
                    *x = ((start + n as u64) % 1000) as f32 + 1000.0 * channel as f32;
                }
            }));
            sent += frames as u64;
        }
        sent
    });
    let mut received = 0u64;
    let mut blocks = 0;
    while blocks < 10_000 {
        let seen = reader.with_next(|block| {
            assert_eq!(block.position_frames(), received);
            for channel in 0..3 {
                for (n, &x) in block.channel(channel).iter().enumerate() {
                    assert_eq!(x, ((received + n as u64) % 1000) as f32 + 1000.0 * channel as f32);
                }
            }
            assert!(block.channel(3).is_empty());
            block.frames() as u64
        });
        if let Some(frames) = seen {
            received += frames;
            blocks += 1;
        }
    }
    assert_eq!(sender.join().unwrap(), received);
    assert_eq!(reader.dropped_blocks(), 0);
}

#[test]
fn a_full_pool_drops_and_shows_the_gap() {
    let (mut writer, mut reader) = block_pool(1, 16, 2);
    assert!(writer.push(16, |_, out| out.fill(1.0)));
    assert!(writer.push(10, |_, out| out.fill(2.0)));
    assert!(!writer.push(16, |_, _| panic!("there is no block to fill")));
    assert_eq!((reader.dropped_blocks(), reader.pending()), (1, 2));
    assert_eq!(reader.with_next(|b| (b.position_frames(), b.frames())), Some((0, 16)));
    assert!(writer.push(4, |_, out| out.fill(3.0)));
    assert_eq!(reader.with_next(|b| (b.position_frames(), b.frames())), Some((16, 10)));
    assert_eq!(reader.with_next(|b| (b.position_frames(), b.frames())), Some((42, 4)));
    assert_eq!(reader.with_next(|_| ()), None);
}

#[test]
fn a_panicking_reader_loses_no_block() {
    let (mut writer, mut reader) = block_pool(1, 4, 1);
    for _ in 0..3 {
        assert!(writer.push(4, |_, out| out.fill(0.0)));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            reader.with_next(|_| panic!("injected"));
        }));
        assert!(panicked.is_err());
        assert_eq!(writer.free_blocks(), 1);
    }
}
