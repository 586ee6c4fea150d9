"""What the settings say of a watched node's alerts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightninglens.app.alerts.command import CommandOptions
    from lightninglens.app.alerts.series import SeriesRule
    from lightninglens.app.settings import Settings


def alert_rules(settings: "Settings") -> "tuple[SeriesRule, ...]":
    """Return the rules in force; raises ConfigError for one that cannot be meant."""
    from lightninglens.app.alerts.series import DEFAULT_RULES, SeriesRule
    from lightninglens.core.errors import ConfigError

    if settings.alerts.rules is None:
        return DEFAULT_RULES
    rules = tuple(SeriesRule(**each.model_dump()) for each in settings.alerts.rules)
    names = [each.name for each in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"alerts.rules: two rules are named {twice!r}; give each a name of its own")
    return rules


def alert_command(settings: "Settings") -> "CommandOptions | None":
    """Return which program is told of alerts; None for none. Raises ConfigError when there is no such program."""
    import shutil

    from lightninglens.app.alerts.command import CommandOptions
    from lightninglens.core.errors import ConfigError

    arguments = settings.alerts.command
    if not arguments:
        return None
    if shutil.which(arguments[0]) is None:
        raise ConfigError(f"alerts.command: there is no program {arguments[0]!r} that could be run")
    return CommandOptions(arguments=arguments)
