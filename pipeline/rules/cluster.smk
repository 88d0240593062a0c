import contextlib

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


def said(print_job_error):
    """Say what a cluster answered: Snakemake drops it where jobs are grouped, and hides it where `quiet` names rules."""

    def say(executor, job_info, msg=None, **details):
        if msg:
            print(f"{job_info.job.name}: {msg.partition('    sbatch call:')[0].strip()}", file=sys.stderr, flush=True)
        print_job_error(executor, job_info, msg, **details)

    return say


def ended(run_job):
    """End a job that could not be submitted (its account is not ours, say), and say why.

    Slurm's plugin fails to where jobs are grouped: it asks for the rule of a group, which has none, in a thread whose
    errors nobody sees, and Snakemake would wait for the job for ever.
    """

    def run(executor, job):
        try:
            run_job(executor, job)
        except AttributeError as error:
            executor.report_job_error(SubmittedJobInfo(job), f"Job submission failed: {error.__context__ or error}")

    return run


RemoteExecutor.print_job_error = said(RemoteExecutor.print_job_error)
with contextlib.suppress(ImportError):
    from snakemake_executor_plugin_slurm import Executor

    Executor.run_job = ended(Executor.run_job)
