"""The app: who serves it, page config, navigation; nothing else."""

import streamlit as st

from explorer.ui import menu, state


def main() -> None:
    """One run of the script, for one visitor."""
    st.set_page_config(
        page_title="Lesson 7, explored",
        page_icon=menu.icon(),
        layout="wide",
        initial_sidebar_state="collapsed" if state.teacher() else "auto",
    )
    pages = st.navigation(menu.entries())

    from explorer.ui.app import begin, end  # the menu must not wait for anything

    share = begin(pages.url_path)
    pages.run()
    end(share)


if __name__ == "__main__":
    main()
else:  # imported once, by `streamlit run`, which serves what it finds called app
    from explorer.ui import door, trouble

    app = st.App(__file__, middleware=door.MIDDLEWARE, lifespan=door.lifespan, on_script_error=trouble.tell)
