import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.app.config import MAX_FILE_BYTES, find_file, load_settings
from lightninglens.app.settings import Settings, known_keys
from lightninglens.core.errors import ConfigError


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Path:
    path = Path("lens.toml").resolve()
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold() -> None:
    loaded = load_settings()
    assert loaded.file is None
    assert loaded.settings.service.port == 3000
    assert loaded.settings.feed.port == 6789
    assert loaded.settings.feed.min_confidence == 0.5
    assert set(loaded.origins.values()) == {"default"}


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("[lab]\nseed = 1\nspeed = 2\ncapacity_sat = 500000\n")
    monkeypatch.setenv("LENS_LAB_SPEED", "3")
    monkeypatch.setenv("LENS_LAB_CAPACITY_SAT", "600000")
    loaded = load_settings(overrides={"lab.capacity_sat": 700_000, "lab.opening": None})
    assert (loaded.settings.lab.seed, loaded.settings.lab.speed) == (1, 3.0)
    assert loaded.settings.lab.capacity_sat == 700_000
    assert loaded.settings.lab.opening == "opener"
    assert loaded.origins["lab.seed"] == str(path)
    assert loaded.origins["lab.speed"] == "environment"
    assert loaded.origins["lab.capacity_sat"] == "command line"
    assert loaded.origins["lab.opening"] == "default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lab]\n\nspeeed = 2\n", r"lens\.toml, line 3: unknown key 'speeed' in \[lab\]; did you mean 'speed'\?"),
        ("[labs]\nspeed = 2\n", r"lens\.toml, line 1: unknown section \[labs\]; did you mean 'lab'\?"),
        ("[lab]\nqqq = 2\n", r"line 2: unknown key 'qqq' in \[lab\]; known are topology, "),
        ("zzz.x = 2\n", r"line 1: unknown section \[zzz\]; known are service, "),
        ("service.prot = 2\n", r"line 1: unknown key 'prot' in \[service\]; did you mean 'port'\?"),
        ("lab = 3\n", r"line 1: lab must be a section: write \[lab\]"),
        ("[lab]\nspeed = -1\n", r"line 2: lab\.speed: input should be greater than 0, not -1"),
        ("[lab]\nspeed = nan\n", r"line 2: lab\.speed: input should be a finite number"),
        ("[lab]\nspeed = 0\nseed = -1\n", r"\(and 1 more\)"),
        ("[service]\nport = 70000\n", r"service\.port: .*65535, not 70000"),
        ('[service]\nhost = "0.0.0.0"\n', r"service\.host: must be a loopback address .*SSH tunnel"),
        ('[service]\nhost = "example.org"\n', r"service\.host: must be localhost"),
        ("x = [\n", r"is not valid TOML"),
        ("{lab = {speeed = 1}}", r"is not valid TOML"),
        ("lab = {speeed = 1}", r"unknown key 'speeed'"),
        ("a=" + "[" * 10_000, r"is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_remedy(text: str, said: str) -> None:
    written(text)
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_files_that_are_no_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_settings(config_file=path)
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load_settings(config_file=path)
    with pytest.raises(ConfigError, match=r"named by --config"):
        load_settings(config_file=tmp_path / "absent.toml")


def test_a_named_file_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENS_CONFIG", str(tmp_path / "other.toml"))
    with pytest.raises(ConfigError, match="named by LENS_CONFIG"):
        find_file()
    (tmp_path / "other.toml").write_text("[log]\nlevel = 'debug'\n")
    assert load_settings().settings.log.level == "debug"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LENS_SERVICE_PROT", "1", "unknown setting LENS_SERVICE_PROT; did you mean 'LENS_SERVICE_PORT'"),
        ("LENS_SERVICE_PORT", "x", "environment LENS_SERVICE_PORT: service.port: .*valid integer"),
        ("LENS_LOG", "x", "environment: .*set one key each"),
    ],
)
def test_a_wrong_variable_is_refused(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        load_settings()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_every_loopback_address_will_do(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENS_FEED_HOST", host)
    assert load_settings().settings.feed.host == host


def test_a_file_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    written("")

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"lens\.toml: cannot be read: Permission denied"):
        load_settings()


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"command line: service\.port: .*not 0"):
        load_settings(overrides={"service.port": 0})


def test_a_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("LENS_DATA_DIR", "~/lens")
    assert load_settings().settings.data.dir == Path("/somewhere/lens")


@given(speed=st.floats(min_value=0.001, max_value=10_000), seed=st.integers(0, 2**63 - 1))
def test_what_is_written_is_what_is_read(speed: float, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "lens.toml"
    path.write_text(f"[lab]\nspeed = {speed!r}\nseed = {seed}\n")
    lab = load_settings(config_file=path).settings.lab
    assert (lab.speed, lab.seed) == (speed, seed)


def test_every_setting_is_described_and_nothing_is_called_a_secret() -> None:
    for section, keys in known_keys().items():
        model = Settings.model_fields[section].annotation
        for key in keys:
            field = model.model_fields[key]  # type: ignore[union-attr]
            assert field.description, f"{section}.{key}"
            assert not any(word in key for word in ("token", "macaroon", "password")) or key.endswith("_file")
    assert json.loads(load_settings().settings.model_dump_json())
