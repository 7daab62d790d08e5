# %% [markdown]
# # A wind farm's forecast, from the first run to the way back
#
# Ann trains models that forecast a wind farm's daily output. Bob is on her team, and Carol owns what is in Production.
# They keep their models in a Stagedoor registry: a git repository in which every change of stage is a request that
# somebody else agrees to.
#
# Ann uses MLflow as she always did. MLflow's *tracking* keeps her runs in a database of its own; its *registry* is
# Stagedoor, by one line: `mlflow.set_registry_uri("stagedoor:///…")`.
#
# This text is a script and a notebook. `python wind_farm.py [FOLDER] [--data FILE.csv]` plays it; in a notebook the
# variables `WIND_FARM` and `WIND_FARM_DATA` say the same. Without data, a seeded generator makes some.

# %%
import argparse
import atexit
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

# what MLflow says about its tables and its past is not part of the story
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
logging.getLogger("alembic").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="IProgress")

import httpx
import matplotlib.pyplot as plt
import mlflow
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from stagedoor.apps.cli.demo.policy import ANN, BOB, CAROL, OWNERS, PEOPLE
from stagedoor.apps.cli.demo.shell import Said, Shell
from stagedoor.apps.cli.demo.weather import generate, write_csv

options = argparse.ArgumentParser(description="A wind farm's forecast, from the first run to the way back.")
options.add_argument("folder", nargs="?", type=Path, default=Path(os.environ.get("WIND_FARM", "wind-farm-registry")))
options.add_argument("--data", type=Path, metavar="CSV", default=os.environ.get("WIND_FARM_DATA"))
# a notebook has no command line of its own
given = options.parse_args(sys.argv[1:] if "__file__" in globals() else [])

FARM = given.folder.resolve()
if FARM.exists() and (not FARM.is_dir() or any(FARM.iterdir())):
    sys.exit(f"error: {given.folder} is not empty\n  fix: give another folder")
if given.data and not Path(given.data).is_file():
    sys.exit(f"error: there is no file {given.data}\n  fix: leave --data out to generate weather")

# %% [markdown]
# ## The weather
#
# A line a day: temperature (°C), wind direction (°) and wind speed (m/s) at 00:00, 08:00 and 16:00, and `power`, the
# farm's mean output. The years up to the last one train a model, and the last one judges it: a forecast is for days to
# come.

# %%
(FARM / "data").mkdir(parents=True)
CSV = FARM / "data" / "windfarm.csv"
shutil.copyfile(given.data, CSV) if given.data else write_csv(generate(years=7), CSV)

days = pd.read_csv(CSV, index_col=0, parse_dates=True)
SEEN = [name for name in days.columns if name != "power"]
SPEEDS = [name for name in SEEN if name.startswith("wind_speed")]
past, last = days[days.index.year < days.index.year.max()], days[days.index.year == days.index.year.max()]
print(f"{len(past)} days to learn from, {len(last)} days of {last.index.year[0]} to be judged by")
print(days[[*SPEEDS, "power"]].head(3).round(1).to_string())

# %% [markdown]
# ## The registry
#
# `stagedoor init` makes it. Its policy is the first request: who may what (`CODEOWNERS`), who they are, and what has
# to hold before a version comes into a stage. Two gates stand before Staging and Production: a version says where it
# comes from, and it is clearly better than a straight line.

# %%
SHELL = Shell(given.folder, {"MLFLOW_TRACKING_URI": f"sqlite:///{FARM}/mlflow.db"})


def stagedoor(line: str, who: str = "", code: int = 0) -> Said:
    """A command as it is typed, by somebody. `code` is the exit code that it must end with."""
    return SHELL.stagedoor(*shlex.split(line), who=who, expect=code)


RULES = """\
# yaml-language-server: $schema=./schemas/Registry.json
apiVersion: stagedoor/v1
kind: Registry
name: wind-farm
stages:
- name: None
- name: Staging
  direct: false
- name: Production
  exclusive: true
  from:
  - Staging
  - Archived
  direct: false
- name: Archived
gates:
- name: known
  stages:
  - Staging
  - Production
  require:
  - description
  - metrics.rmse
  - run
  - data
  - digest
  reason: whoever is called at night has to know what is running
- name: better-than-a-line
  stages:
  - Staging
  - Production
  expressions:
  - candidate.metrics.rmse < 0.85 * candidate.metrics.rmse_of_line
  reason: a straight line costs nothing
"""

SHELL.write(".gitignore", "/data/\n/mlflow.db\n/mlruns/\n/serve.log\n/forecast.png\n")
SHELL.git("init", "-q", "-b", "main")
SHELL.git("add", ".")
SHELL.git("commit", "-q", "-m", "Start", who=CAROL)
stagedoor("init --owner carol@example.com --name wind-farm")
SHELL.git("switch", "-q", "-c", "policy")
SHELL.write(".github/CODEOWNERS", OWNERS)
SHELL.write("registry_spec/people.yaml", PEOPLE)
SHELL.write("registry_spec/registry.yaml", RULES)
SHELL.git("commit", "-q", "-a", "-m", "Say who may what", who=BOB)
SHELL.git("switch", "-q", "main")
stagedoor("open policy", who=BOB)
stagedoor("approve 1", who=CAROL)
stagedoor("merge 1", who=CAROL)

# %% [markdown]
# ## Two runs
#
# Ann tells MLflow where her runs go and which registry she works with, and trains two models: polynomials of the wind
# speeds, of degree 1, a straight line, and of degree 2. Each run keeps its parameters, its data, its errors in the last
# year, and the line's error to be compared with.

# %%
mlflow.set_tracking_uri(f"sqlite:///{FARM}/mlflow.db")
mlflow.set_registry_uri(f"stagedoor://{FARM}?as={ANN}")
mlflow.create_experiment("wind-farm", artifact_location=(FARM / "mlruns").as_uri())
mlflow.set_experiment("wind-farm")

NAME = "wind-power"
LINE = {"rmse": float("nan")}


def polynomial(degree: int) -> Pipeline:
    """A ridge regression on all products of the day's wind speeds up to a degree."""
    products = ColumnTransformer([("speeds", PolynomialFeatures(degree, include_bias=False), SPEEDS)])
    return make_pipeline(products, StandardScaler(), RidgeCV())


def train(
    called: str, model: Pipeline | TransformedTargetRegressor, register_as: str | None = None, **params: int
) -> str:
    """Train and judge in a run of MLflow; its logged model, which goes into the registry where a name is given."""
    # who ran it, and what: MLflow would name the machine's user and the notebook's kernel
    tags = {"mlflow.user": "ann", "mlflow.source.name": "wind_farm.py"}
    with mlflow.start_run(run_name=called, tags=tags):
        model.fit(past[SEEN], past["power"])
        forecast = model.predict(last[SEEN])
        scores = {
            "rmse": round(root_mean_squared_error(last["power"], forecast), 1),
            "mae": round(mean_absolute_error(last["power"], forecast), 1),
            "r2": round(r2_score(last["power"], forecast), 4),
        }
        if called == "line":
            LINE.update(scores)
        mlflow.log_params(params)
        mlflow.log_input(mlflow.data.from_pandas(past, name="windfarm", targets="power"), context="training")
        mlflow.log_metrics({**scores, "rmse_of_line": LINE["rmse"]})
        logged = mlflow.sklearn.log_model(
            model, name="model", input_example=past[SEEN].head(2), registered_model_name=register_as,
            pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pd.__version__}"],
        )  # fmt: skip
    print(f"{called}: " + "   ".join(f"{key} {value:g}" for key, value in scores.items()))
    return logged.model_uri


train("line", polynomial(1), degree=1)
square = train("square", polynomial(2), degree=2)

# %% [markdown]
# ## Register, describe, ask, be refused
#
# `mlflow.register_model` writes a commit: version 1, with the run, the data, the parameters, the errors, the signature
# and the digest of its files. Ann describes it and asks for Staging.

# %%
mlflow.register_model(square, NAME)
stagedoor(f"describe {NAME}/1 'A polynomial of degree 2 of the wind speeds.'", who=ANN)
stagedoor(f"show {NAME}/1")
stagedoor(f"request {NAME}/1 Staging -m 'a curve, and not a line'", who=ANN)

# %% [markdown]
# The request is there, and what it lacks stands below it: a square is no better than a line. Bob's approval does not
# help, because no approval opens a gate. Ann takes the request back.

# %%
stagedoor("validate 2", code=8)
stagedoor("approve 2", who=BOB)
stagedoor("merge 2", who=BOB, code=8)
stagedoor("cancel 2 -m 'back to the drawing board'", who=ANN)

# %% [markdown]
# ## Improve
#
# What wind can do grows with the *cube* of its speed. Ann trains a polynomial of degree 3 and has MLflow register it as
# it logs it: `registered_model_name=`, as in any MLflow script.

# %%
train("cube", polynomial(3), register_as=NAME, degree=3)
stagedoor(f"describe {NAME}/2 'A polynomial of degree 3: power goes with the cube of the wind speed.'", who=ANN)
stagedoor(f"request {NAME}/2 Staging -m 'a cube'", who=ANN)
stagedoor("approve 3 -m 'the error is down by half'", who=BOB)
stagedoor("merge 3", who=BOB)

# %% [markdown]
# ## Approve, Production
#
# Production is Carol's. Bob's word is not enough, hers is.

# %%
stagedoor(f"request {NAME}/2 Production -m 'ready for the trading desk'", who=ANN)
stagedoor("approve 4", who=BOB)
stagedoor("merge 4", who=BOB, code=8)
stagedoor("approve 4 -m 'good work'", who=CAROL)
stagedoor("merge 4", who=CAROL)
stagedoor(f"alias {NAME}/2 champion", who=CAROL)
found = mlflow.MlflowClient().get_model_version_by_alias(NAME, "champion")
print(f"MLflow finds the champion: version {found.version}, in {found.current_stage}")

# %% [markdown]
# ## Serve
#
# `stagedoor serve` is a process of its own. It serves what main says is in Staging and Production, and goes on watching
# main. Each answer says which version gave it.

# %%
COMMAND = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(FARM), "serve", NAME, "--port", "0"]
server = subprocess.Popen(
    COMMAND, env={**os.environ, **SHELL.environment}, stdout=subprocess.PIPE, text=True,
    stderr=(FARM / "serve.log").open("w"),
)  # fmt: skip
atexit.register(server.terminate)
ADDRESS = server.stdout.readline().split()[-1]


def forecast_by(version: int, asked: pd.DataFrame) -> pd.Series:
    """What Production answers, as soon as it is this version that answers."""
    payload = {"dataframe_split": asked.to_dict(orient="split", index=False)}
    for _ in range(1500):
        answer = httpx.post(f"{ADDRESS}/model/{NAME}/Production/invocations", json=payload, timeout=60)
        if answer.status_code == 200 and answer.headers["X-Stagedoor-Version"] == str(version):
            print(f"version {version} answers: {answer.text[:60]}…")
            return pd.Series(answer.json()["predictions"], index=asked.index)
        time.sleep(0.2)
    raise SystemExit(f"error: version {version} does not answer\n   at: {FARM / 'serve.log'}")


forecast = forecast_by(2, last[SEEN])

# %% [markdown]
# ## Forecast against truth

# %%
figure, (line, cloud) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(2.4, 1), layout="constrained")
weeks = last.index[:90]
line.plot(weeks, last["power"][:90], color="0.25", lw=1.2, label="truth")
line.plot(weeks, forecast[:90], color="tab:blue", lw=1.2, label=f"{NAME}/2")
line.set(title=f"The first 90 days of {weeks[0].year}", ylabel="power")
line.legend(frameon=False)
cloud.scatter(last["power"], forecast, s=7, color="tab:blue", alpha=0.5, lw=0)
cloud.axline((0, 0), slope=1, color="0.25", lw=1)
cloud.set(title="All days of the year", xlabel="truth", ylabel="forecast")
figure.savefig(FARM / "forecast.png", dpi=100)

# %% [markdown]
# ## The next version
#
# A small neural network sees the directions and the temperatures too. Ann registers it and compares it with what is in
# Production.

# %%
# it would go on for long, and for little
warnings.simplefilter("ignore", ConvergenceWarning)
layer = MLPRegressor(
    hidden_layer_sizes=(24,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=250, random_state=7
)
network = TransformedTargetRegressor(make_pipeline(StandardScaler(), layer), transformer=StandardScaler())
train("network", network, register_as=NAME, hidden=24)
stagedoor(f"describe {NAME}/3 'A small neural network on wind speeds, directions and temperatures.'", who=ANN)
stagedoor(f"diff {NAME}#Production {NAME}/3")

# %% [markdown]
# It goes the same way. `--archive-existing` moves the version that is there to Archived, in the same merge.

# %%
stagedoor(f"request {NAME}/3 Staging -m 'a network'", who=ANN)
stagedoor("approve 5", who=BOB)
stagedoor("merge 5", who=BOB)
stagedoor(f"request {NAME}/3 Production --archive-existing -m 'a week in Staging without surprises'", who=ANN)
stagedoor("approve 6", who=CAROL)
stagedoor("merge 6", who=CAROL)

# %% [markdown]
# The server has seen it: it loads the new version first, and then hands over. Nobody restarted anything.

# %%
answered = forecast_by(3, last[SEEN])
print(f"rmse of what is served now: {root_mean_squared_error(last['power'], answered):.1f}")

# %% [markdown]
# ## The way back
#
# A rehearsal of the bad day. `stagedoor rollback` asks git which version was in Production before, and opens the
# request that brings it back.

# %%
stagedoor(f"comment {NAME}/3 'the desk saw odd numbers: back to the cube'", who=BOB)
stagedoor(f"rollback {NAME} Production -m 'odd numbers at the desk'", who=BOB)
stagedoor("approve 7", who=CAROL)
stagedoor("merge 7", who=CAROL)
forecast_by(2, last[SEEN])

# %% [markdown]
# ## What is where, and how it came to be

# %%
server.terminate()
server.wait()
for line in (f"show {NAME}", f"history {NAME}/2", f"when {NAME}/3", "validate", "audit verify"):
    stagedoor(line)
SHELL.git("log", "--first-parent", "--format=%h %an: %s")
