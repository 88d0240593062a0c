from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


def said(print_job_error):
    """Say what a cluster answered: Snakemake drops it where jobs are grouped, and hides it where `quiet` names rules."""

    def say(executor, job_info, msg=None, **details):
        if msg:
            print(f"{job_info.job.name}: {msg.partition('    sbatch call:')[0].strip()}", file=sys.stderr, flush=True)
        print_job_error(executor, job_info, msg, **details)

    return say


RemoteExecutor.print_job_error = said(RemoteExecutor.print_job_error)
