"""What an earlier launcher has left: its processes are adopted, or ended if nobody can go on with them."""

from dispatcher.config import LauncherSettings
from dispatcher.launcher.history import forget_old
from dispatcher.launcher.launch import Launch, LaunchState
from dispatcher.launcher.life import LaunchLife
from dispatcher.launcher.pool import Pool
from dispatcher.launcher.ways import Ways


async def restore(pool: Pool, ways: Ways) -> None:
    """Go on with every launch on disk. Nothing is touched that does not bear the mark of one of them."""
    launches, broken = ways.records.read()
    for launch_id in broken:
        await ways.home.clear(launch_id)
        ways.records.forget(launch_id)
    for launch in launches:
        await _restore(launch, pool, ways)
    forget_old(pool.launches, ways)


async def _restore(launch: Launch, pool: Pool, ways: Ways) -> None:
    if not launch.room:  # it had been started ahead, and knows of no room
        await ways.home.clear(launch.id)
        ways.records.forget(launch.id)
        return
    pool.launches[launch.id] = launch
    if launch.ended:
        return
    settings = pool.launchers.get(launch.launcher)
    goes_on = settings is not None and launch.state is not LaunchState.ENDING
    worker = await ways.home.find(launch, ways.records.folder(launch.id)) if goes_on else None
    if worker is not None:
        pool.adopt(launch, worker)
        return
    await ways.home.clear(launch.id)
    LaunchLife(launch, settings or _gone(launch.launcher), ways, None).lost()


def _gone(name: str) -> LauncherSettings:
    """A launcher that is configured no more."""
    return LauncherSettings(name=name, command=(), limit=0)
