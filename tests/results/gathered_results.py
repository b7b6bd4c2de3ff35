"""Results of folders as plain dictionaries, as results.json has them."""

from espnet_plugin.results.gather import gather
from espnet_plugin.results.json_format import entries_to_json, read_entries
from espnet_plugin.results.merge import merge, merged_results, write_results


def gathered(folders):
    return entries_to_json(gather(folders))


def merged(old, folders, **options):
    old = old and read_entries(old)
    return merge(old, gather(folders), "mini", **options).to_dict()


def updated(results_json, *args, **options):
    """Merge the folders' results into the file, as the report does."""
    results = merged_results(results_json, *args, **options)
    write_results(results_json, results)
    return results.to_dict()
